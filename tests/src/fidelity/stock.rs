//! A copy by stock `pg_dump` and `pg_restore`: what the comparison must call equal where PostgreSQL's own tools do.

use super::Place;

/// Copies a database into an empty one; what `pg_restore` complained of, a line for each statement that failed.
///
/// The clients are those of the newer server's version, or the next on board.
///
/// # Panics
/// pg_dump fails, or pg_restore cannot be run.
pub async fn copy(from: &Place, to: &Place) -> Vec<String> {
    let major = from.server.major.max(to.server.major);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("archive");
    let mut dump = from.client("pg_dump", major);
    let dumped = dump.args(["-Fc", "-Z0", "-f"]).arg(&file).output().await.expect("pg_dump can be run");
    assert!(dumped.status.success(), "pg_dump: {}", String::from_utf8_lossy(&dumped.stderr));
    restore(&file, to, major).await
}

/// Restores a file or folder of `pg_dump`'s archive formats into an empty database; what `pg_restore` complained of.
///
/// # Panics
/// It cannot be run.
pub async fn restore(archive: &std::path::Path, to: &Place, major: u32) -> Vec<String> {
    const ERROR: &str = "pg_restore: error: could not execute query: ERROR:  ";
    let mut restore = to.client("pg_restore", major);
    let restored = restore.arg(archive).output().await.expect("pg_restore can be run");
    let complaints = String::from_utf8_lossy(&restored.stderr);
    let errors: Vec<String> =
        complaints.lines().filter_map(|line| line.strip_prefix(ERROR)).map(str::to_owned).collect();
    // Status 1 without a statement that failed: the archive itself could not be read.
    assert!(restored.status.success() || !errors.is_empty(), "pg_restore: {complaints}");
    errors
}
