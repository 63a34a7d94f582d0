"""PostgreSQL servers of every major version, 10 to 18, that tests run against; and hot standbys of them.

Each has a cluster, a port and a password of its own; `.local/servers.json` says where they are. A server is made when
it is first asked for (`make servers SERVERS="11 15-standby"`, or all majors with `make servers`) and only started
later. Nine idle ones take some 300 MB of memory.
"""

import secrets
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from local import cluster, daemon, server_programs, standby
from local.cluster import Server
from local.console import Problem, say, step
from local.layout import STATE, read_json, write_json

RECORD_FILE = STATE / "servers.json"
STOP_TIMEOUT_S = 60
# Two cores share the work, and a download leaves them idle.
PARALLEL = 4
STANDBY = "-standby"

SETTINGS = {
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_locks_per_transaction": "256",
    "wal_level": "replica",
    "hot_standby": "on",
}


def all_names() -> list[str]:
    """The names of all primaries."""
    return [str(major) for major in server_programs.MAJORS]


def up(names: Iterable[str]) -> None:
    """Make the named servers where they are not made yet, start those that do not run, wait for their logins."""
    wanted = [require_name(name) for name in dict.fromkeys(names)]
    primaries = list(dict.fromkeys(name.removesuffix(STANDBY) for name in wanted))
    bring_up(primaries, make_cluster)
    bring_up([name for name in wanted if name.endswith(STANDBY)], make_standby)


def require_name(name: str) -> str:
    """The name, if there can be such a server: `15`, or `15-standby`."""
    if name.removesuffix(STANDBY) not in all_names():
        raise Problem(f"there is no server {name!r}", "Servers are named 10 to 18, and 12-standby to 18-standby.")
    if name.endswith(STANDBY) and major_of(name) < standby.OLDEST_MAJOR:
        raise Problem(f"there is no {name}", f"Standbys are made of PostgreSQL {standby.OLDEST_MAJOR} and newer.")
    return name


def major_of(name: str) -> int:
    """The major version in a server's name."""
    return int(name.removesuffix(STANDBY))


def bring_up(names: list[str], make: Callable[[str, Server], None]) -> None:
    """Make what is missing, several at a time, then start what does not run, all at once."""
    resting = [name for name in names if daemon.running_pid(pid_file(name)) is None or not is_made(name)]
    if not resting:
        return
    home = cluster.make_home("servers")
    missing = [name for name in resting if not is_made(name)]
    if missing:
        with step(f"Make PostgreSQL servers {', '.join(missing)}"):
            make_all({name: plan(name, home) for name in missing}, make)
    with step(f"Start PostgreSQL servers {', '.join(resting)}"):
        servers = {name: server(name) for name in resting}
        for name, found in servers.items():
            settings = {**SETTINGS, "port": str(found.port)}
            cluster.start(Path(found.bin_dir), Path(found.data_dir), settings, pid_file(name), log_file(name))
        for name, found in servers.items():
            cluster.wait_until_ready(found.port, found.password, pid_file(name), log_file(name))


def plan(name: str, home: Path) -> Server:
    """Where a server will be, and how it is logged in to: a standby has its primary's programs and password."""
    place = home / name
    cluster.make_private(place)
    port = daemon.port_for(f"postgres-{name}")
    if name.endswith(STANDBY):
        of = server(name.removesuffix(STANDBY))
        return Server(of.major, of.host, port, of.user, of.password, of.bin_dir, str(place / "data"))
    bin_dir = str(place / "programs" / "bin")
    password = secrets.token_urlsafe(24)
    return Server(major_of(name), cluster.HOST, port, cluster.SUPERUSER, password, bin_dir, str(place / "data"))


def make_all(plans: dict[str, Server], make: Callable[[str, Server], None]) -> None:
    """Make servers, several at a time. Those that succeed are written down, whatever becomes of the others."""
    writing = threading.Lock()

    def make_one(name: str) -> None:
        # One whose programs the lock file has moved on from may still be running, and so may what follows it.
        replaced = [name, name + STANDBY]
        for server_name in replaced:
            daemon.stop(pid_file(server_name), signal.SIGINT, STOP_TIMEOUT_S)
        make(name, plans[name])
        with writing:
            kept = {other: entry for other, entry in records().items() if other not in replaced}
            write_json(RECORD_FILE, dict(sorted({**kept, name: asdict(plans[name])}.items())), 0o600)

    with ThreadPoolExecutor(PARALLEL) as pool:
        for done in [pool.submit(make_one, name) for name in plans]:
            done.result()


def make_cluster(_: str, planned: Server) -> None:
    """Get the programs and make an empty cluster."""
    programs = Path(planned.bin_dir).parent
    if not server_programs.is_complete(planned.major, programs):
        server_programs.require_tools()
        server_programs.install(planned.major, programs)
    cluster.create(Path(planned.bin_dir), Path(planned.data_dir), planned.password)


def make_standby(name: str, planned: Server) -> None:
    """Copy the running primary."""
    standby.make(server(name.removesuffix(STANDBY)), planned)


def is_made(name: str) -> bool:
    """Whether the server's cluster is complete, with the programs that the lock file names."""
    found = records().get(name)
    return found is not None and server_programs.is_complete(found["major"], Path(found["bin_dir"]).parent)


def server(name: str) -> Server:
    """A server that has been made."""
    return Server(**records()[name])


def records() -> dict[str, dict]:
    """What is written down of all servers that have been made, by name."""
    return read_json(RECORD_FILE) or {}


def pid_file(name: str) -> Path:
    """The file that says which process it is."""
    return STATE / f"server-{name}.pid.json"


def log_file(name: str) -> Path:
    """The server's log."""
    return STATE / f"server-{name}.log"


def down() -> None:
    """Stop all of them at once; standbys need not go first."""
    names = list(records())
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        stopped = list(pool.map(lambda name: daemon.stop(pid_file(name), signal.SIGINT, STOP_TIMEOUT_S), names))
    if any(stopped):
        say(f"{sum(stopped)} PostgreSQL servers of tests have ended")


def clean() -> None:
    """Remove what lies outside `.local`."""
    homes = {Path(found["data_dir"]).parent.parent for found in records().values()}
    # One where nothing was finished is written down nowhere.
    for home in homes | {cluster.home_of("servers")}:
        cluster.remove_outside(home)
