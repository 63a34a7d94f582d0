//! Data compressed in independent pieces is read by stock pg_restore: laid out as one file (custom
//! format) and beside a `toc.dat`.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[allow(dead_code, reason = "each test uses a part of it")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use permafrost_pgarchive::{
    Adler32, ArchiveVersion, BlockSize, ChunkLength, Chunks, Compression, CustomLayout, DumpId, Entry,
    Format, Framing, TableOfContents, ZLIB_STREAM_START, deflate_piece, large_object_list_file_name,
    read_large_object_list, zlib_stream_end,
};
use support::{Server, run, run_with_input};

/// Makes one frame, complete by itself.
type Compress = fn(&[u8]) -> Vec<u8>;

/// What one piece is made of, so that the largest table and object have many.
const PIECE_BYTES: usize = 1 << 16;

const GZIP: Compression = Compression::Gzip { level: None };

/// On top of the varied database: a table of some megabytes, objects without a byte, with an oid that
/// is negative in the archive, and of another owner.
const MORE: &str = "
    CREATE TABLE public.large (id integer, hash text, note text);
    INSERT INTO public.large
        SELECT n, md5(n::text), repeat('note ', n % 40) FROM generate_series(1, 30000) AS n;
    CREATE ROLE someone;
    SELECT lo_create(3000000000);
    SELECT lo_put(3000000000, 0, decode(repeat(md5('x'), 20000), 'hex'));
    SELECT lo_create(4713);
    SELECT lo_from_bytea(4714, 'of someone else');
    ALTER LARGE OBJECT 4714 OWNER TO someone;
    GRANT SELECT ON LARGE OBJECT 4714 TO reader;";

/// A database, and its archive as pg_dump makes it in a directory without compression.
struct Source {
    server: Server,
    archive: PathBuf,
    toc: TableOfContents,
}

fn source() -> Source {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE source");
    server.sql("source", include_str!("support/varied_schema.sql"));
    server.sql("source", MORE);
    let archive = server.scratch("archives").join("source");
    server.output("pg_dump", ["-Fd", "-Z0", "source", "-f", archive.to_str().unwrap()]);
    let bytes = fs::read(archive.join("toc.dat")).unwrap();
    let toc = TableOfContents::read(&mut bytes.as_slice()).unwrap();
    Source { server, archive, toc }
}

impl Source {
    /// The compressions that this pg_restore knows.
    fn compressions(&self) -> Vec<Compression> {
        let mut command = self.server.client("pg_dump");
        let knows_zstd = command.args(["-Fc", "-Zzstd", "--schema-only", "source"]).output().unwrap();
        let zstd = knows_zstd.status.success().then_some(Compression::Zstd);
        [Compression::None, GZIP].into_iter().chain(zstd).collect()
    }

    fn large_objects(&self, contents: &Entry) -> Vec<(NonZeroU32, Vec<u8>)> {
        let list = large_object_list_file_name(contents, self.toc.header.version).unwrap();
        let list = fs::read(self.archive.join(list.to_str().unwrap())).unwrap();
        let objects = read_large_object_list(&list).unwrap().into_iter();
        objects
            .map(|object| {
                let bytes = fs::read(self.archive.join(object.file_name)).unwrap();
                (NonZeroU32::new(object.oid).unwrap(), bytes)
            })
            .collect()
    }

    fn rows(&self, entry: &Entry) -> Vec<u8> {
        let name = entry.file_name(self.toc.header.version).unwrap();
        fs::read(self.archive.join(name.to_str().unwrap())).unwrap()
    }

    /// Restores into a fresh database, whose dump then has the same lines as the source's.
    fn assert_restored(&self, name: &str, restore: impl FnOnce(&str)) {
        let database = format!("target {name}");
        self.server.output("createdb", [&database]);
        restore(&database);
        let dump = |database: &str| {
            let script = String::from_utf8(self.server.output("pg_dump", [database])).unwrap();
            // These hold a key made up in each run.
            let is_key = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
            let mut lines: Vec<_> = script.lines().filter(|line| !is_key(line)).map(str::to_owned).collect();
            // Rows of a table hash-partitioned by an enum may land in another partition.
            lines.sort_unstable();
            lines
        };
        assert!(dump(&database) == dump("source"), "{name}: the dumps differ");
        self.server.output("dropdb", [&database]);
    }

    fn restore(&self, database: &str, options: &[&str], archive: &Path) {
        let mut command = self.server.client("pg_restore");
        command.args(["--exit-on-error", "-d", database]).args(options);
        let output = run(command.arg(archive));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{options:?} of {}", archive.display());
    }
}

/// The chunks of one entry or object, as their bytes.
fn chunks(data: &[u8], compression: Compression) -> Vec<Vec<u8>> {
    let pieces = data.chunks(PIECE_BYTES);
    match compression {
        Compression::None => pieces.map(<[u8]>::to_vec).collect(),
        Compression::Zstd => pieces.map(zstd_frame).collect(),
        Compression::Gzip { .. } => {
            let mut stream = ZLIB_STREAM_START.to_vec();
            let mut checksum = Adler32::default();
            for piece in pieces {
                let piece = deflate_piece(piece, 1).unwrap();
                stream.extend(piece.bytes);
                checksum = checksum.followed_by(piece.checksum);
            }
            stream.extend(zlib_stream_end(checksum));
            // Where a zlib stream is divided does not matter: not where its pieces meet.
            stream.chunks(10_007).map(<[u8]>::to_vec).collect()
        }
        Compression::Lz4 => unreachable!("no test asks for it"),
    }
}

fn zstd_frame(data: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn gzip_member(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn size(chunks: &[Vec<u8>]) -> Chunks {
    Chunks { count: chunks.len() as u64, bytes: chunks.iter().map(|chunk| chunk.len() as u64).sum() }
}

fn framed(framing: Framing, chunks: &[Vec<u8>]) -> Vec<u8> {
    let framed = chunks.iter().flat_map(|chunk| {
        let start = framing.chunk_start(ChunkLength::new(chunk.len()).unwrap());
        [start, chunk.clone()].concat()
    });
    framed.chain(framing.end()).collect()
}

/// Each entry's size and block, compressed.
fn blocks(source: &Source, compression: Compression) -> BTreeMap<DumpId, (BlockSize, Vec<u8>)> {
    let framing = Framing::of(&source.toc.header).unwrap();
    let mut blocks = BTreeMap::new();
    for entry in source.toc.entries.iter().filter(|entry| entry.had_dumper) {
        let block = if entry.desc.is_blobs() {
            let mut bytes = framing.large_objects_start(entry.dump_id);
            let mut all = Chunks::default();
            let objects = source.large_objects(entry);
            for (oid, data) in &objects {
                let chunks = chunks(data, compression);
                all =
                    Chunks { count: all.count + size(&chunks).count, bytes: all.bytes + size(&chunks).bytes };
                bytes.extend(framing.large_object_start(*oid));
                bytes.extend(framed(framing, &chunks));
            }
            bytes.extend(framing.end());
            (BlockSize::LargeObjects { objects: objects.len() as u64, chunks: all }, bytes)
        } else {
            let chunks = chunks(&source.rows(entry), compression);
            let bytes = [framing.rows_start(entry.dump_id), framed(framing, &chunks)].concat();
            (BlockSize::Rows(size(&chunks)), bytes)
        };
        blocks.insert(entry.dump_id, block);
    }
    blocks
}

#[test]
fn one_file_is_restored_equal_with_every_compression() {
    let source = source();
    let scratch = source.server.scratch("custom");
    let longest = source.toc.entries.iter().filter(|entry| entry.desc.is_table_data());
    let longest = longest.map(|entry| source.rows(entry).len()).max().unwrap();
    assert!(longest > 20 * PIECE_BYTES, "many pieces are in one entry");
    for compression in source.compressions() {
        let mut toc = source.toc.clone();
        toc.header.compression = compression;
        let blocks = blocks(&source, compression);
        let sizes = blocks.iter().map(|(id, (size, _))| (*id, *size)).collect();
        let layout = CustomLayout::new(toc.clone(), &sizes).unwrap();
        let mut with_offsets = layout.toc().to_vec();
        for placed in layout.blocks() {
            let block = &blocks[&placed.dump_id].1;
            assert_eq!(placed.offset, with_offsets.len() as u64);
            assert_eq!(placed.length_bytes, block.len() as u64);
            with_offsets.extend(block);
        }
        assert_eq!(layout.total_bytes(), with_offsets.len() as u64);

        // The same as pg_dump writes into a pipe: no offsets, pg_restore searches.
        toc.header.format = Format::Custom;
        toc.entries.iter_mut().for_each(|entry| entry.data = permafrost_pgarchive::DataLocation::Derived);
        let mut without_offsets = Vec::new();
        toc.write(&mut without_offsets).unwrap();
        assert_eq!(without_offsets.len(), layout.toc().len());
        without_offsets.extend(&with_offsets[layout.toc().len()..]);

        for (what, bytes) in [("with offsets", with_offsets), ("without offsets", without_offsets)] {
            let file = scratch.join("archive.dump");
            fs::write(&file, &bytes).unwrap();
            for options in [&["-j1"][..], &["-j3"]] {
                let name = format!("{compression:?}, {what}, {options:?}");
                source.assert_restored(&name, |database| source.restore(database, options, &file));
            }
            let name = format!("{compression:?}, {what}, from a pipe");
            source.assert_restored(&name, |database| {
                let mut command = source.server.client("pg_restore");
                run_with_input(command.args(["--exit-on-error", "-d", database]), &bytes);
            });
        }
    }
}

/// In a directory the suffix tells the compression of each file, and the header's is only told to
/// people; frames and members follow each other in one file as they are.
#[test]
fn a_directory_of_concatenated_frames_is_restored_equal_whatever_the_header_tells() {
    let source = source();
    let scratch = source.server.scratch("directories");
    let known = source.compressions();
    for compression in &known {
        let (suffix, frame): (&str, Compress) = match compression {
            Compression::None => ("", <[u8]>::to_vec),
            Compression::Zstd => (".zst", zstd_frame),
            _ => (".gz", gzip_member),
        };
        let archive = scratch.join(format!("data{suffix}"));
        fs::create_dir(&archive).unwrap();
        let write = |name: &str, data: &[u8]| {
            // Not a byte is one frame, too.
            let pieces = if data.is_empty() { vec![data] } else { data.chunks(PIECE_BYTES).collect() };
            let frames: Vec<u8> = pieces.into_iter().flat_map(frame).collect();
            fs::write(archive.join(format!("{name}{suffix}")), frames).unwrap();
        };
        for entry in source.toc.entries.iter().filter(|entry| entry.had_dumper) {
            if entry.desc.is_blobs() {
                let list = large_object_list_file_name(entry, source.toc.header.version).unwrap();
                let list = list.to_str().unwrap();
                fs::copy(source.archive.join(list), archive.join(list)).unwrap();
                for (oid, data) in source.large_objects(entry) {
                    write(&permafrost_pgarchive::large_object_file_name(oid.get()), &data);
                }
            } else {
                write(&format!("{}.dat", entry.dump_id), &source.rows(entry));
            }
        }
        for told in &known {
            let mut toc = source.toc.clone();
            toc.header.compression = *told;
            let mut bytes = Vec::new();
            toc.write_directory(&mut bytes).unwrap();
            fs::write(archive.join("toc.dat"), bytes).unwrap();
            let name = format!("directory{suffix}, header {told:?}");
            source.assert_restored(&name, |database| source.restore(database, &["-j2"], &archive));
        }
    }
    assert!(
        source.toc.header.version >= ArchiveVersion::V1_15 || !known.contains(&Compression::Zstd),
        "zstd is known from archive version 1.15 on"
    );
}
