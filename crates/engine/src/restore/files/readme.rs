//! The README beside restored files: what they are, how to check them, how to restore them.

use permafrost_domain::files::FileFormat;
use permafrost_pgarchive::ArchiveVersion;
use permafrost_vault::WrittenFile;

use super::FileRestore;
use super::encoding::Encoding;

/// The oldest pg_restore that reads an archive of this version.
fn oldest_pg_restore(version: ArchiveVersion) -> u32 {
    match version {
        version if version >= ArchiveVersion::V1_16 => 17,
        version if version >= ArchiveVersion::V1_15 => 16,
        version if version >= ArchiveVersion::V1_14 => 12,
        _ => 10,
    }
}

/// The README of a restore whose archive is of `version` and consists of `files`.
pub(super) fn text(restore: &FileRestore<'_>, version: ArchiveVersion, files: &[WrittenFile]) -> String {
    let manifest = restore.manifest;
    let source = &manifest.source;
    let target = &restore.order.target;
    let totals = &manifest.totals;
    let encoding = restore.encoding();
    format!(
        "# {database}, as it was at {at}\n\n\
         Recovery point `{point}` of the instance `{instance}`, written by Permafrost (`{job}`). PostgreSQL \
         {server} on {host}; {tables} tables, {rows} rows, {objects} large objects; encoding {encoding_name}, \
         collation {collate}.\n\n\
         | file | |\n|---|---|\n{data}\
         | `globals.sql` | roles (without passwords), tablespaces, settings |\n\
         | `manifest.json` | what the backup consists of: rows, bytes and checksum of every table |\n\
         | `SHA256SUMS`, `SIZES` | to check the files with |\n\
         | `.permafrost/` | how Permafrost tells that the folder is its own; may be deleted |\n\n\
         ## Getting and checking it\n\n\
         ```bash\naws s3 cp --recursive {target} .\n{checks}```\n\n{about_checks}\
         ## Restoring it\n\n{restoring}",
        database = source.database,
        at = manifest.consistent_at,
        point = manifest.belonging.point,
        instance = manifest.belonging.instance_name,
        job = restore.job,
        server = source.server_version,
        host = source.host,
        tables = totals.tables,
        rows = totals.rows,
        objects = totals.large_objects,
        encoding_name = source.encoding,
        collate = source.collate,
        data = data(restore.order.format, encoding),
        checks = checks(encoding, restore.order.format),
        about_checks = about_checks(files),
        restoring = restoring(restore, version, encoding),
    )
}

fn data(format: FileFormat, encoding: Encoding) -> String {
    match format {
        FileFormat::Directory => "| `archive/` | the database, as `pg_dump -Fd` writes it |\n".to_owned(),
        FileFormat::Custom => "| `archive.dump` | the database, as `pg_dump -Fc` writes it |\n".to_owned(),
        FileFormat::Plain => {
            format!("| `archive.sql{}` | the database, as `pg_dump -Fp` writes it |\n", encoding.suffix())
        }
    }
}

fn checks(encoding: Encoding, format: FileFormat) -> String {
    let commands = "sha256sum --quiet -c SHA256SUMS\n\
        while read -r bytes name; do [ \"$(wc -c < \"$name\")\" -eq \"$bytes\" ] || echo \"$name: wrong size\"; done < SIZES\n"
        .to_owned();
    let files = match format {
        FileFormat::Directory => format!("find archive -name '*{}' -print0 | xargs -0 -r", encoding.suffix()),
        FileFormat::Plain => format!("echo archive.sql{} | xargs", encoding.suffix()),
        // Its data is compressed inside.
        FileFormat::Custom => return commands,
    };
    if let Some(tester) = encoding.tester() {
        return format!("{commands}{files} {tester} -t -q\n");
    }
    commands
}

fn about_checks(files: &[WrittenFile]) -> String {
    let copied = files.iter().filter(|file| file.sha256.is_none()).count();
    if copied == 0 {
        return String::new();
    }
    format!(
        "S3 itself has put {copied} of {} files together out of the backup's objects; nobody has read them meanwhile, \
         so they have no line in `SHA256SUMS`. Their compression has checksums of its own, one in every 2 MiB, which \
         the last command checks; that nothing is missing is what `SIZES` shows.\n\n",
        files.len(),
    )
}

fn restoring(restore: &FileRestore<'_>, version: ArchiveVersion, encoding: Encoding) -> String {
    let roles = "Roles and tablespaces first, where the server lacks them (look through the file: it is of the \
        whole server, and sets no passwords):\n\n```bash\npsql -d postgres -f globals.sql\n```\n\n";
    let needed = oldest_pg_restore(version);
    let version = format!(
        "`pg_restore` of PostgreSQL {needed} or newer reads it{}.\n\n",
        if encoding == Encoding::Zstd { ", where it was built with zstd" } else { "" }
    );
    match restore.order.format {
        FileFormat::Plain => {
            let psql = "psql -X -v ON_ERROR_STOP=1 -d restored";
            let command = match encoding {
                Encoding::Zstd => format!("zstd -dc archive.sql.zst | {psql}"),
                Encoding::Gzip => format!("gzip -dc archive.sql.gz | {psql}"),
                Encoding::None => format!("{psql} -f archive.sql"),
            };
            format!(
                "{roles}```bash\ncreatedb -T template0 restored\n{command}\n```\n\n\
                 A script that holds lines `\\restrict` needs a `psql` of August 2025 or newer.\n"
            )
        }
        FileFormat::Directory | FileFormat::Custom => {
            let archive =
                if restore.order.format == FileFormat::Directory { "archive" } else { "archive.dump" };
            let parts = if restore.order.format == FileFormat::Directory
                && restore.manifest.tables.iter().any(|table| table.parts.len() > 1)
            {
                "A large table is in several entries, which `-j` loads at once. Do not use `--disable-triggers` or \
                 `--no-data-for-failed-tables` with them; `PGOPTIONS='-c session_replication_role=replica'` keeps \
                 triggers from running.\n"
            } else {
                ""
            };
            format!(
                "{version}{roles}```bash\npg_restore --list {archive}\ncreatedb -T template0 restored\n\
                 pg_restore -j 4 -d restored {archive}          # all of it, with four connections\n\
                 pg_restore -n SCHEMA -t TABLE -d other {archive}  # one table alone\n```\n\n\
                 `--no-owner --no-privileges` restores without the roles. {parts}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pg_restore_follows_from_the_archive() {
        let versions =
            [ArchiveVersion::V1_12, ArchiveVersion::V1_14, ArchiveVersion::V1_15, ArchiveVersion::V1_16];
        assert_eq!(versions.map(oldest_pg_restore), [10, 12, 16, 17]);
    }
}
