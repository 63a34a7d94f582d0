"""A hot standby: a copy of a running server that follows it.

The copy is taken by the server's own backup functions, file by file, since the test servers come without
pg_basebackup. A replication slot keeps what the standby has not read yet, also while it is stopped.
"""

import os
import shutil
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from local import cluster
from local.cluster import Server
from local.console import Problem
from local.layout import write_file

# Before this, a standby was configured in a file that no longer exists.
OLDEST_MAJOR = 12
SLOT = "standby"

# What a copy must not have, and directories whose contents it must not have; the documentation of PostgreSQL's
# base backups says why.
LEFT_OUT = {"postmaster.pid", "postmaster.opts", "postgresql.auto.conf.tmp"}
EMPTIED = {
    "pg_wal",
    "pg_replslot",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_subtrans",
    "pg_stat_tmp",
}


def make(primary: Server, planned: Server) -> None:
    """Copy the running primary's cluster to where the standby's is to be, ready to be started."""
    data = Path(planned.data_dir)
    shutil.rmtree(data, ignore_errors=True)
    with cluster.session(primary.port, primary.password, "postgres") as cursor:
        require_no_tablespaces(cursor)
        keep_log(cursor)
        label = copy(cursor, primary.major, Path(primary.data_dir), data)
    write_file(data / "backup_label", label, 0o600)
    write_file(data / "standby.signal", "", 0o600)
    with open(data / "postgresql.auto.conf", "a") as settings:
        settings.write(f"primary_conninfo = '{conninfo(primary)}'\nprimary_slot_name = '{SLOT}'\n")
    for directory, _, files in os.walk(data):
        cluster.give_to_server(Path(directory))
        for file in files:
            cluster.give_to_server(Path(directory, file))


def conninfo(primary: Server) -> str:
    """How the standby finds its primary. Host, user and password hold nothing that would need quoting."""
    return f"host={primary.host} port={primary.port} user={primary.user} password={primary.password}"


def require_no_tablespaces(cursor: Cursor) -> None:
    """Stop where a copy on the same machine would share the primary's files."""
    cursor.execute("SELECT spcname FROM pg_tablespace WHERE spcname NOT LIKE 'pg\\_%' LIMIT 1")
    if (row := cursor.fetchone()) is not None:
        raise Problem(
            f"the server has a tablespace, {row[0]}, which its standby on this machine would share",
            "Drop it, or make the standby first.",
        )


def keep_log(cursor: Cursor) -> None:
    """Have the primary keep its write-ahead log from here on until the standby has read it."""
    cursor.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", (SLOT,))
    cursor.execute("SELECT pg_create_physical_replication_slot(%s, true)", (SLOT,))


def copy(cursor: Cursor, major: int, source: Path, target: Path) -> str:
    """Copy the cluster's files between the start and the end of a backup; returns the backup's label."""
    if major >= 15:
        start, stop = "pg_backup_start('standby', true)", "pg_backup_stop(false)"
    else:
        start, stop = "pg_start_backup('standby', true, false)", "pg_stop_backup(false, false)"
    cursor.execute(f"SELECT {start}")
    copy_tree(source, target)
    cursor.execute(f"SELECT labelfile FROM {stop}")
    (label,) = cursor.fetchone() or ("",)
    return label


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory that the server is writing to: what goes meanwhile is in the log, and is left out."""
    target.mkdir(mode=0o700)
    try:
        entries = list(os.scandir(source))
    except FileNotFoundError:
        return
    for entry in entries:
        place = target / entry.name
        if entry.name in EMPTIED:
            place.mkdir(mode=0o700)
        elif entry.is_dir(follow_symlinks=False):
            copy_tree(Path(entry.path), place)
        elif entry.name not in LEFT_OUT:
            try:
                shutil.copyfile(entry.path, place)
            except FileNotFoundError:
                continue
            place.chmod(0o600)
