"""The AWS emulator: one process, its state under `.local/emulator`, IAM enforced."""

import json
import signal
import time
import urllib.error
import urllib.request

import boto3
import botocore.config

from local import daemon
from local.console import Problem, say, step
from local.layout import REGION, ROOT_CREDENTIALS, STATE, VENV_BIN

HOME = STATE / "emulator"
PID_FILE = HOME / "pid.json"
LOG_FILE = HOME / "log"
INSTALLED = VENV_BIN.parent / ".locked"
START_TIMEOUT_S = 60
SAVE_TIMEOUT_S = 120


def endpoint() -> str:
    """The emulator's address. Never `localhost`: virtual-host buckets do not resolve under it."""
    return f"http://127.0.0.1:{daemon.port_for('emulator')}"


def client(service: str):
    """A client of the emulator with root's credentials."""
    return boto3.client(
        service,
        endpoint_url=endpoint(),
        region_name=REGION,
        aws_access_key_id=ROOT_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ROOT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
    )


def environment() -> dict[str, str]:
    """A clean environment: what the server sees, every function sees too."""
    return {
        "PATH": f"{VENV_BIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(HOME / "home"),
        "TMPDIR": str(HOME / "tmp"),
        "LANG": "C.UTF-8",
        "GATEWAY_PORT": str(daemon.port_for("emulator")),
        "AWS_ENDPOINT_URL": endpoint(),
        "MINISTACK_REGION": REGION,
        **ROOT_CREDENTIALS,
        "AUTH": "true",
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(HOME / "s3"),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(HOME / "state"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }


def is_healthy() -> bool:
    """Whether the emulator answers."""
    try:
        with urllib.request.urlopen(f"{endpoint()}/_ministack/health", timeout=2) as response:
            json.load(response)
            return True
    except (urllib.error.URLError, OSError, ValueError):
        return False


def runs_replaced_programs() -> bool:
    """Whether the tools were installed anew after the emulator started: it would import from what is gone."""
    return daemon.running_pid(PID_FILE) is not None and PID_FILE.stat().st_mtime < INSTALLED.stat().st_mtime


def up() -> None:
    """Start the emulator unless it runs, and wait until it answers."""
    if runs_replaced_programs():
        down()
    if daemon.running_pid(PID_FILE) is not None and is_healthy():
        return
    with step("Start the AWS emulator"):
        if daemon.running_pid(PID_FILE) is None:
            daemon.require_free("emulator", daemon.port_for("emulator"))
            for name in ("home", "tmp", "s3", "state"):
                (HOME / name).mkdir(parents=True, exist_ok=True)
            daemon.start([str(VENV_BIN / "ministack")], PID_FILE, LOG_FILE, environment(), cwd=HOME)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_healthy():
            if daemon.running_pid(PID_FILE) is None:
                raise daemon.died("ministack", LOG_FILE)
            if time.monotonic() > deadline:
                raise Problem(
                    f"the emulator does not answer after {START_TIMEOUT_S} s",
                    f"Look at {LOG_FILE}, then run `make down` and this command again.",
                )
            time.sleep(0.1)
        say(f"listening on {endpoint()}, log in .local/emulator/log")


def down() -> None:
    """End the emulator, which saves its state first."""
    if daemon.stop(PID_FILE, signal.SIGTERM, SAVE_TIMEOUT_S):
        say("the AWS emulator has ended, its state is saved")
