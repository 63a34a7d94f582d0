"""Servers that outlive the command: free ports chosen once, pid files that cannot lie, an orderly end.

A pid alone says nothing after a reboot, when another process may bear it. The file therefore holds the process's
start time too, as the kernel counts it, and a pid whose start time differs is a stale file, not our server.
"""

import hashlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from local.console import Problem
from local.layout import PORTS_FILE, ROOT, read_json, write_json

FIRST_PORT, PORT_COUNT = 20000, 12000


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def port_for(server: str) -> int:
    """The port that belongs to this checkout's server: chosen free on first use, then always the same.

    The search begins where the checkout's path points to, below the kernel's ephemeral ports, so that two checkouts
    do not choose the same port while one of them is down.
    """
    ports = read_json(PORTS_FILE) or {}
    if server not in ports:
        start = int.from_bytes(hashlib.sha256(f"{ROOT} {server}".encode()).digest()[:4], "big")
        candidates = (FIRST_PORT + (start + offset) % PORT_COUNT for offset in range(PORT_COUNT))
        ports[server] = next(port for port in candidates if port not in ports.values() and port_is_free(port))
        write_json(PORTS_FILE, ports)
    return ports[server]


def require_free(server: str, port: int) -> None:
    """Stop when somebody else listens on the port that the state on disk is bound to."""
    if not port_is_free(port):
        raise Problem(
            f"port {port}, which belongs to this checkout's {server}, is taken by another process",
            f"Find it with `ss -ltnp 'sport = :{port}'` and end it, or run `make clean` to use other ports.",
        )


def start_time(pid: int) -> int | None:
    """The process's start in clock ticks since boot, or None when there is none or it is only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def running_pid(pid_file: Path) -> int | None:
    """The pid of the server that wrote this file, or None; a stale file is removed."""
    record = read_json(pid_file)
    if record is None:
        return None
    if start_time(record["pid"]) == record["started"]:
        return record["pid"]
    pid_file.unlink(missing_ok=True)
    return None


def start(command: list[str], pid_file: Path, log_file: Path, environment: dict[str, str], **options) -> None:
    """Start a server in a session of its own, its output appended to the log, its pid written down."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with open(log_file, "ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            **options,
        )
    started = start_time(process.pid)
    if started is None:
        raise died(command[0], log_file)
    write_json(pid_file, {"pid": process.pid, "started": started})


def died(server: str, log_file: Path) -> Problem:
    """The problem of a server that ended while it was expected to start."""
    lines = log_file.read_text(errors="replace").splitlines()[-12:]
    return Problem(
        f"{Path(server).name} ended while starting:\n  " + "\n  ".join(lines),
        f"The whole log is {log_file}. `make clean` starts afresh.",
    )


def stop(pid_file: Path, with_signal: signal.Signals, patience_s: float) -> bool:
    """End the server and wait until it is gone. Returns whether there was one.

    It is never killed outright: both servers save their state when asked to end. What it started and did not end
    itself (warm functions) shares its session and is ended after it.
    """
    pid = running_pid(pid_file)
    if pid is None:
        return False
    os.kill(pid, with_signal)
    deadline = time.monotonic() + patience_s
    while running_pid(pid_file) is not None:
        if time.monotonic() > deadline:
            raise Problem(
                f"process {pid} did not end within {patience_s:.0f} s of {with_signal.name}",
                "Look at its log under .local; it may still be saving. Run `make down` again in a while.",
            )
        time.sleep(0.1)
    end_session(pid)
    return True


def end_session(session: int) -> None:
    """End what is left of a server's session."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                os.kill(int(entry.name), signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError):
            continue
