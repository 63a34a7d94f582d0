//! What stands beside the data: lists, globals, manifest, checksums, README.

use std::fmt::Write;

use futures_util::{StreamExt, TryStreamExt, stream};
use permafrost_domain::files::FileFormat;
use permafrost_vault::store::parse_document;
use permafrost_vault::{Manifest, PointLayout, WrittenFile};

use super::archive::DirectoryArchive;
use super::{FileRestore, readme, report};
use crate::error::EngineError;
use crate::toc::directory_form;

/// Reports that are read at once.
const READS_AT_ONCE: usize = 16;

/// Writes everything that a restore has beside its data; the README last.
pub(super) async fn write(restore: &FileRestore<'_>) -> Result<(), EngineError> {
    let folder = restore.folder;
    let tasks = 1..=u32::try_from(restore.tasks()).unwrap_or(u32::MAX);
    let reports = stream::iter(tasks).map(|task| report(restore, task)).buffered(READS_AT_ONCE);
    let mut files: Vec<WrittenFile> = reports.try_collect::<Vec<_>>().await?.into_iter().flatten().collect();

    let mut version = restore.toc.header.version;
    if restore.order.format == FileFormat::Directory {
        let archive = DirectoryArchive::of(restore.toc, restore.manifest, restore.encoding())?;
        version = archive.toc.header.version;
        for (name, list) in archive.lists {
            files.push(folder.put(&format!("archive/{name}"), list.into()).await?);
        }
        files.push(folder.put("archive/toc.dat", directory_form(&archive.toc)?.into()).await?);
    } else {
        let mut header = restore.toc.header.clone();
        restore.encoding().tell(&mut header);
        version = version.max(header.version);
    }
    let globals = restore.store.get(&restore.layout, &restore.manifest.globals).await?;
    files.push(folder.put("globals.sql", globals).await?);
    let (_, manifest) = restore.store.get_current(&restore.layout, PointLayout::MANIFEST).await?;
    if parse_document::<Manifest>(PointLayout::MANIFEST, &manifest)? != *restore.manifest {
        return Err(EngineError::Damaged { what: "the manifest".to_owned() });
    }
    files.push(folder.put("manifest.json", manifest).await?);

    files.sort_by(|one, other| one.name.cmp(&other.name));
    folder.put("SIZES", sizes(&files).into()).await?;
    folder.put("SHA256SUMS", sums(&files).into()).await?;
    folder.put("README.md", readme::text(restore, version, &files).into()).await?;
    Ok(())
}

/// As `wc -c` tells them.
fn sizes(files: &[WrittenFile]) -> String {
    files.iter().fold(String::new(), |mut lines, file| {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{} {}", file.bytes, file.name);
        lines
    })
}

/// As `sha256sum` reads them: of every file whose bytes have passed through a function.
fn sums(files: &[WrittenFile]) -> String {
    files.iter().filter_map(|file| Some((file.sha256?, &file.name))).fold(
        String::new(),
        |mut lines, (sum, name)| {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{sum}  {name}");
            lines
        },
    )
}
