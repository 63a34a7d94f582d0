//! An SQL script: what pg_restore prints before and after the data, and `COPY … FROM stdin` in between.

use bytes::Bytes;
use permafrost_domain::job::Progress;
use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::{TableOfContents, Text};
use permafrost_vault::{FileWriter, WrittenFile};

use super::FileRestore;
use super::archive::contradiction;
use super::contents::{Contents, Data, EntryData, count, stream};
use super::directory::END_OF_ROWS;
use super::encoding::Recoder;
use super::frames::{FrameOf, FrameStream};
use crate::error::EngineError;
use crate::toc::directory_form;

/// Bytes of a large object in one statement.
const WRITTEN_AT_ONCE: usize = 64 * 1024;
/// `INV_WRITE` of PostgreSQL's large objects.
const FOR_WRITING: u32 = 0x20000;

/// What stands around the data.
struct Script {
    before: Vec<u8>,
    /// Where sequences stand.
    beside: Vec<u8>,
    after: Vec<u8>,
}

/// Writes the script.
pub(super) async fn write(
    restore: &FileRestore<'_>,
    watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
) -> Result<(Vec<WrittenFile>, Progress), EngineError> {
    let script = script(restore).await?;
    let contents = Contents::of(restore).await?;
    let entries = contents.entries(restore)?;
    let encoding = restore.encoding();
    let name = format!("archive.sql{}", encoding.suffix());
    let mut writing = Writing {
        writer: FileWriter::new(restore.folder.clone(), name),
        recoder: Recoder::new(restore.manifest.compression, encoding)?,
        done: Progress::default(),
    };
    let mut frames = stream(restore, &entries);
    match writing.all(&script, &entries, &mut frames, watch).await {
        Ok(()) => Ok((vec![writing.writer.finish().await?], writing.done)),
        Err(error) => {
            writing.writer.abandon().await;
            Err(error)
        }
    }
}

async fn script(restore: &FileRestore<'_>) -> Result<Script, EngineError> {
    let major =
        restore.manifest.source.pg_dump_version.split('.').next().and_then(|major| major.parse().ok());
    let programs = restore.programs.for_major(major.unwrap_or_default())?;
    let mut toc: TableOfContents = restore.toc.clone();
    // pg_restore would look for their data.
    toc.entries.retain(|entry| !entry.had_dumper);
    let spawn = |source| EngineError::Spawn { program: "pg_restore", source };
    let archive = tempfile::tempdir().map_err(spawn)?;
    std::fs::write(archive.path().join("toc.dat"), directory_form(&toc)?).map_err(spawn)?;
    let print = async |section: &str| {
        let pg_restore = programs.without_server("pg_restore").args([section, "--file=-"]);
        pg_restore.path(archive.path()).output().await.map_err(unprinted)
    };
    Ok(Script {
        before: print("--section=pre-data").await?,
        beside: print("--section=data").await?,
        after: print("--section=post-data").await?,
    })
}

/// pg_restore's failure to print what it was given.
fn unprinted(error: EngineError) -> EngineError {
    match error {
        EngineError::Program { stderr, .. } => {
            Fault::new(Code::RestoreFailed, format!("pg_restore: {stderr}")).into()
        }
        other => other,
    }
}

struct Writing {
    writer: FileWriter,
    recoder: Recoder,
    done: Progress,
}

impl Writing {
    async fn all(
        &mut self,
        script: &Script,
        entries: &[EntryData<'_>],
        frames: &mut FrameStream<'_>,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        self.text(&script.before).await?;
        for data in entries {
            let object = data.object();
            match &data.data {
                Data::Rows(of_table) => {
                    let statement = data.entry.copy_stmt.as_ref().map(Text::as_bytes);
                    let statement =
                        statement.ok_or_else(|| contradiction(format!("no COPY statement for {object}")))?;
                    self.text(statement).await?;
                    for frame in of_table {
                        let stored = frames.take(*frame).await?;
                        let rows = self.recoder.frame(stored, frame.frame, &object)?;
                        self.writer.write(&rows).await?;
                        count(&mut self.done, *frame);
                        watch(self.done).await?;
                    }
                    self.text(END_OF_ROWS).await?;
                    self.done.tables_done += 1;
                }
                Data::LargeObjects(objects) => {
                    self.text(b"BEGIN;\n\n").await?;
                    for (oid, of_object) in objects {
                        self.large_object(*oid, of_object, frames, watch).await?;
                    }
                    self.text(b"COMMIT;\n\n").await?;
                }
            }
        }
        self.text(&script.beside).await?;
        self.text(&script.after).await?;
        watch(self.done).await
    }

    /// A large object, which what comes before the data has made.
    async fn large_object(
        &mut self,
        oid: u32,
        of_object: &[FrameOf<'_>],
        frames: &mut FrameStream<'_>,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let object = format!("large object {oid}");
        self.text(format!("SELECT pg_catalog.lo_open('{oid}', {FOR_WRITING});\n").as_bytes()).await?;
        for frame in of_object {
            let stored: Bytes = frames.take(*frame).await?;
            let raw = self.recoder.raw(&stored, frame.frame, &object)?;
            drop(stored);
            for chunk in raw.chunks(WRITTEN_AT_ONCE) {
                let statement = format!("SELECT pg_catalog.lowrite(0, '\\x{}');\n", hex::encode(chunk));
                self.text(statement.as_bytes()).await?;
            }
            count(&mut self.done, *frame);
            watch(self.done).await?;
        }
        self.text(b"SELECT pg_catalog.lo_close(0);\n\n").await
    }

    async fn text(&mut self, text: &[u8]) -> Result<(), EngineError> {
        if text.is_empty() {
            return Ok(());
        }
        let bytes = self.recoder.text(text)?;
        Ok(self.writer.write(&bytes).await?)
    }
}
