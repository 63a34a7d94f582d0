"""A PostgreSQL cluster of this checkout's own: who runs it, where it may lie, how it is made, when it takes logins.

PostgreSQL refuses to run as root, so root starts it as `postgres` or `nobody`. That user may be barred from the
checkout (a home directory of mode 700); clusters then live in a directory under the system's temporary one.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.extensions

from local import daemon
from local.console import Problem, say
from local.layout import ROOT, STATE, write_file

HOST = "127.0.0.1"
SUPERUSER = "postgres"
START_TIMEOUT_S = 60

# A cluster holds nothing that could not be made again, so it does not wait for the disk.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Server:
    """A server of one major version: how a superuser logs in, where its programs and its cluster are."""

    major: int
    host: str
    port: int
    user: str
    password: str
    bin_dir: str
    data_dir: str


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


def can_enter(directory: Path) -> bool:
    """Whether the server's user can enter the directory."""
    return subprocess.run(["test", "-x", str(directory)], **user_options(), check=False).returncode == 0


def home_of(name: str) -> Path:
    """Where the directory of this name that belongs to the server's user is to be: below `.local` if it can be."""
    if not user_options() or can_enter(STATE):
        return STATE / name
    digest = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"permafrost-{digest}" / name


def make_home(name: str) -> Path:
    """Make the directory of `home_of`. One that somebody else made beforehand outside the checkout is refused."""
    STATE.mkdir(exist_ok=True)
    place = home_of(name)
    if not place.is_relative_to(STATE):
        if not place.exists():
            say(f"the server's user cannot enter {ROOT}; its files go to {place.parent}")
        place.parent.mkdir(mode=0o755, exist_ok=True)
        owner = place.parent.lstat()
        if owner.st_uid != os.geteuid() or not stat.S_ISDIR(owner.st_mode):
            raise Problem(f"{place.parent} belongs to somebody else", "Set TMPDIR to a directory of your own.")
    make_private(place)
    return place


def make_private(directory: Path) -> None:
    """Make the directory unless it is there, for the server's user alone."""
    directory.mkdir(mode=0o700, exist_ok=True)
    give_to_server(directory)


def give_to_server(path: Path) -> None:
    """Let the server's user own the file or directory."""
    options = user_options()
    if options:
        os.chown(path, options["user"], options["group"], follow_symlinks=False)


def remove_outside(home: Path) -> None:
    """Remove what lies outside `.local`, where a home had to be there: all homes, and programs copied beside them."""
    if not home.is_relative_to(STATE) and home.parent.exists():
        shutil.rmtree(home.parent)


def create(bin_dir: Path, data: Path, password: str) -> None:
    """Make the cluster anew: UTF-8, a locale that sorts alike everywhere, password logins only."""
    shutil.rmtree(data, ignore_errors=True)
    # The server's user reads the password from a file of its own, which goes right after.
    handed = data.with_name("initial-password")
    write_file(handed, password + "\n", 0o600)
    give_to_server(handed)
    command = [str(bin_dir / "initdb"), "--pgdata", str(data), "--username", SUPERUSER]
    command += ["--pwfile", str(handed), "--auth", "scram-sha-256"]
    command += ["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
    made = subprocess.run(
        command, cwd="/", env=clean_environment(), capture_output=True, text=True, check=False, **user_options()
    )
    handed.unlink()
    if made.returncode != 0:
        raise Problem(
            f"initdb failed: {made.stderr.strip() or made.stdout.strip()}",
            "Run `make clean` and try again; if it stays, install Debian's package `postgresql`.",
        )


def start(bin_dir: Path, data: Path, settings: dict[str, str], pid_file: Path, log_file: Path) -> None:
    """Start the server of a cluster with `settings` over the common ones; it outlives the command."""
    daemon.require_free("PostgreSQL server", int(settings["port"]))
    arguments = [f"--{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
    command = [str(bin_dir / "postgres"), "-D", str(data), *arguments]
    daemon.start(command, pid_file, log_file, clean_environment(), cwd="/", **user_options())


def wait_until_ready(port: int, password: str, pid_file: Path, log_file: Path) -> None:
    """Wait until a login works."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with session(port, password, "postgres"):
                return
        except psycopg2.OperationalError as error:
            if daemon.running_pid(pid_file) is None:
                raise daemon.died("postgres", log_file) from error
            if time.monotonic() > deadline:
                raise Problem(f"PostgreSQL takes no logins: {error}", f"Look at {log_file}.") from error
            time.sleep(0.1)


@contextlib.contextmanager
def session(port: int, password: str, database: str) -> Iterator[psycopg2.extensions.cursor]:
    """A superuser's session that commits every statement, closed at the end of the block."""
    connection = psycopg2.connect(
        host=HOST,
        port=port,
        dbname=database,
        user=SUPERUSER,
        password=password,
        connect_timeout=10,
        application_name="permafrost local stack",
    )
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
