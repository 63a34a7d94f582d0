//! `permafrost backup`.

use permafrost_client::Client;
use permafrost_domain::Fault;
use permafrost_domain::wire::BackupRequest;

use super::{job, wait};
use crate::args::BackupArgs;
use crate::console::Console;

pub(super) async fn run(client: &Client, args: &BackupArgs, console: &Console) -> Result<(), Fault> {
    let started = client.start_backup(&args.instance, &BackupRequest { rule: args.rule }).await?;
    if args.wait.no_wait {
        return console.result(&started, |started| started.job.to_string());
    }
    let ended = wait::until_ended(client, started.job, console).await?;
    job::show_ended(&ended, console)
}
