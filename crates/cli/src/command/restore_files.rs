//! `permafrost restore-files`.

use permafrost_client::Client;
use permafrost_domain::Fault;
use permafrost_domain::files::{FileCompression, FileFormat, FilesTarget};
use permafrost_domain::wire::FileRestoreRequest;

use super::{job, rehydration, wait};
use crate::args::{Compression, Format, RestoreFilesArgs};
use crate::console::Console;

pub(super) async fn run(client: &Client, args: RestoreFilesArgs, console: &Console) -> Result<(), Fault> {
    let request = FileRestoreRequest {
        point: args.point,
        target: FilesTarget { bucket: args.to_bucket, prefix: args.prefix },
        format: match args.format {
            Format::Directory => FileFormat::Directory,
            Format::Custom => FileFormat::Custom,
            Format::Plain => FileFormat::Plain,
        },
        compression: match args.compression {
            Compression::Stored => FileCompression::Stored,
            Compression::Zstd => FileCompression::Zstd,
            Compression::Gzip => FileCompression::Gzip,
            Compression::None => FileCompression::None,
        },
        rehydrate: args.rehydration.request(),
    };
    let (instance, point) = (&args.instance, args.point);
    rehydration::tell_before_restore(client, instance, point, request.rehydrate, console).await?;
    let started = client.start_file_restore(&args.instance, &request).await?;
    if args.wait.no_wait {
        return console.result(&started, |started| started.job.to_string());
    }
    let ended = wait::until_ended(client, started.job, console).await?;
    job::show_ended(&ended, console)
}
