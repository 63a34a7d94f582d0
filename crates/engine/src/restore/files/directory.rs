//! A directory archive: one task of the backup makes the files of its tables' parts and of its large objects.
//!
//! A file in the backup's own compression is its frames and a last, tiny one. Where it is large, S3 puts it together
//! by itself; what is small passes through here, many files at once.

use futures_util::{StreamExt, stream};
use permafrost_domain::job::Progress;
use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::large_object_file_name;
use permafrost_vault::assembly::{FilePart, MOST_PARTS, Piece, file_parts};
use permafrost_vault::file_writer::PART_BYTES;
use permafrost_vault::folder::{ArrivedPart, Upload};
use permafrost_vault::task_result::Frame;
use permafrost_vault::{FileWriter, TaskResult, VaultError, WrittenFile};
use tokio::task::JoinSet;

use super::FileRestore;
use super::archive::DirectoryArchive;
use super::contents::count;
use super::encoding::{Encoding, Recoder};
use super::frames::{FrameOf, FrameStream, segment};
use crate::error::EngineError;

/// What the rows of a table end with in an archive.
pub(super) const END_OF_ROWS: &[u8] = b"\\.\n\n\n";
/// The size from which a file is put together inside S3. What is smaller is read with its neighbours and written by
/// one request.
const COPIED_BYTES: u64 = PART_BYTES as u64;
/// Parts of one file on their way; a joined one takes up to 18 MiB.
const PARTS_AT_ONCE: usize = 4;
/// Small files on their way; each takes up to 8 MiB.
const FILES_AT_ONCE: usize = 8;

/// A file that is to be.
struct File<'r> {
    name: String,
    /// The object, for people.
    object: String,
    frames: &'r [Frame],
    holds: Holds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// The rows of a table's first, or only, part.
    FirstRows,
    /// Rows of a table's other parts.
    MoreRows,
    /// A large object.
    LargeObject,
}

impl File<'_> {
    fn stored_bytes(&self) -> u64 {
        self.frames.iter().map(|frame| frame.location.length).sum()
    }

    fn end(&self) -> &'static [u8] {
        if self.holds == Holds::LargeObject { b"" } else { END_OF_ROWS }
    }
}

/// Writes the files of task `number` of the backup.
pub(super) async fn write(
    restore: &FileRestore<'_>,
    number: u32,
    watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
) -> Result<(Vec<WrittenFile>, Progress), EngineError> {
    let encoding = restore.encoding();
    let archive = DirectoryArchive::of(restore.toc, restore.manifest, encoding)?;
    let result = restore.result(number).await?;
    let files = files(&result, &archive, encoding)?;
    let is_copied = encoding == Encoding::from(restore.manifest.compression);
    let (copied, streamed): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| is_copied && file.stored_bytes() >= COPIED_BYTES);
    let recoder = Recoder::new(restore.manifest.compression, encoding)?;
    let mut task = Task { restore, number, recoder, done: Progress::default(), written: Vec::new() };
    for file in copied {
        task.copy(file, watch).await?;
    }
    task.stream(&streamed, watch).await?;
    watch(task.done).await?;
    Ok((task.written, task.done))
}

/// The files of a task, in the order in which their frames lie in the store.
fn files<'r>(
    result: &'r TaskResult,
    archive: &DirectoryArchive,
    encoding: Encoding,
) -> Result<Vec<File<'r>>, EngineError> {
    let mut files = Vec::with_capacity(result.tables.len() + result.large_objects.len());
    for table in &result.tables {
        let holds = if table.part == 0 { Holds::FirstRows } else { Holds::MoreRows };
        files.push(File {
            name: format!("archive/{}", archive.rows_file(table.dump_id, table.part)?),
            object: format!("table {}.{}", table.schema, table.name),
            frames: &table.frames,
            holds,
        });
    }
    files.extend(result.large_objects.iter().map(|object| File {
        name: format!("archive/{}{}", large_object_file_name(object.oid), encoding.suffix()),
        object: format!("large object {}", object.oid),
        frames: &object.frames,
        holds: Holds::LargeObject,
    }));
    Ok(files)
}

struct Task<'a> {
    restore: &'a FileRestore<'a>,
    number: u32,
    recoder: Recoder,
    done: Progress,
    written: Vec<WrittenFile>,
}

impl Task<'_> {
    fn frame<'f>(&self, frame: &'f Frame) -> FrameOf<'f> {
        FrameOf { task: self.number, frame }
    }

    /// Lets S3 put a file together.
    async fn copy(
        &mut self,
        file: &File<'_>,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let end = if file.end().is_empty() { None } else { Some(self.recoder.text(file.end())?) };
        let frames = file.frames.iter().map(|frame| Piece::Range(self.frame(frame).range()));
        let parts = file_parts(frames.chain(end.map(Piece::Given)));
        if parts.len() > MOST_PARTS {
            let message =
                format!("the file would have {} parts, at most {MOST_PARTS} are possible", parts.len());
            return Err(Fault::new(Code::SingleFileTooLarge, message).on(file.object.clone()).into());
        }
        let bytes = parts.iter().map(FilePart::bytes).sum();
        let upload = self.restore.folder.begin(&file.name).await?;
        let written = async {
            let arrived = self.send_parts(&upload, parts, watch).await?;
            Ok::<_, EngineError>(upload.complete(arrived, bytes).await?)
        };
        if let Err(error) = written.await {
            if let Err(kept) = upload.abort().await {
                tracing::warn!("an upload could not be aborted: {kept}");
            }
            return Err(error);
        }
        self.written.push(WrittenFile { name: file.name.clone(), bytes, sha256: None });
        for frame in file.frames {
            count(&mut self.done, FrameOf { task: self.number, frame });
        }
        self.done.tables_done += u64::from(file.holds == Holds::FirstRows);
        watch(self.done).await
    }

    async fn send_parts(
        &self,
        upload: &Upload,
        parts: Vec<FilePart>,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<Vec<ArrivedPart>, EngineError> {
        let mut arrived = Vec::with_capacity(parts.len());
        let send = |(number, part)| self.send_part(upload, number, part);
        let mut arriving =
            std::pin::pin!(stream::iter((1..).zip(parts)).map(send).buffer_unordered(PARTS_AT_ONCE));
        while let Some(part) = arriving.next().await {
            arrived.push(part?);
            watch(self.done).await?;
        }
        Ok(arrived)
    }

    async fn send_part(
        &self,
        upload: &Upload,
        number: i32,
        part: FilePart,
    ) -> Result<ArrivedPart, EngineError> {
        let FileRestore { store, layout, manifest, .. } = self.restore;
        let pieces = match part {
            FilePart::Copied(range) => {
                let object = segment(manifest, range)?;
                let range = (range.offset, range.length);
                return Ok(upload.copy(number, store, layout, object, range).await?);
            }
            FilePart::Joined(pieces) => pieces,
        };
        let mut body = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Given(bytes) => body.extend_from_slice(&bytes),
                Piece::Range(range) => {
                    let object = segment(manifest, range)?;
                    body.extend_from_slice(
                        &store.get_range(layout, object, range.offset, range.length).await?,
                    );
                }
            }
        }
        Ok(upload.part(number, body.into()).await?)
    }

    /// Writes files whose bytes pass through here.
    async fn stream(
        &mut self,
        files: &[&File<'_>],
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let FileRestore { store, layout, manifest, folder, .. } = *self.restore;
        let number = self.number;
        let frames =
            files.iter().flat_map(|file| file.frames).map(move |frame| FrameOf { task: number, frame });
        let mut frames = FrameStream::new(store, layout, manifest, frames);
        let mut finishing = JoinSet::new();
        for file in files {
            let mut writer = FileWriter::new(folder.clone(), file.name.clone());
            if let Err(error) = self.fill(&mut writer, file, &mut frames, watch).await {
                writer.abandon().await;
                return Err(error);
            }
            self.done.tables_done += u64::from(file.holds == Holds::FirstRows);
            if finishing.len() >= FILES_AT_ONCE {
                self.settle(&mut finishing).await?;
            }
            finishing.spawn(writer.finish());
        }
        while !finishing.is_empty() {
            self.settle(&mut finishing).await?;
        }
        Ok(())
    }

    async fn fill(
        &mut self,
        writer: &mut FileWriter,
        file: &File<'_>,
        frames: &mut FrameStream<'_>,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        for frame in file.frames {
            let stored = frames.take(self.frame(frame)).await?;
            writer.write(&self.recoder.frame(stored, frame, &file.object)?).await?;
            count(&mut self.done, FrameOf { task: self.number, frame });
            watch(self.done).await?;
        }
        if !file.end().is_empty() {
            writer.write(&self.recoder.text(file.end())?).await?;
        } else if writer.bytes() == 0 {
            // A compressed file of no bytes is no file of its kind: that of nothing is some bytes long.
            writer.write(&self.recoder.text(b"")?).await?;
        }
        Ok(())
    }

    async fn settle(
        &mut self,
        finishing: &mut JoinSet<Result<WrittenFile, VaultError>>,
    ) -> Result<(), EngineError> {
        match finishing.join_next().await {
            Some(Ok(written)) => self.written.push(written?),
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            None => {}
        }
        Ok(())
    }
}
