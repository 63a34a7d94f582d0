"""Where things are in a checkout, and what the two stacks are called."""

import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.console import Problem

ROOT = Path(__file__).resolve().parent.parent
VENV_BIN = ROOT / ".venv" / "bin"

# Everything the stack writes, except build outputs. `make clean` removes it.
STATE = ROOT / ".local"
PORTS_FILE = STATE / "ports.json"
STACK_FILE = STATE / "stack.json"
ENV_FILE = STATE / "env"
OPERATOR_FILE = STATE / "operator.json"
PASSFILE = STATE / "pgpass"
STAMPS = STATE / "stamps"

BUILD_DIR = ROOT / ".aws-sam" / "build"
BUILT_TEMPLATE = BUILD_DIR / "template.yaml"
LAYER_NAME = "PgClientLayer"
CLI_NAME = "permafrost"
LAMBDA_BINARIES = ROOT / "target" / "lambda"
CLI_BINARY = LAMBDA_BINARIES / CLI_NAME / "bootstrap"

APP_TEMPLATE = ROOT / "iac" / "template.yaml"
VAULT_TEMPLATE = ROOT / "iac" / "vault.yaml"
APP_STACK = "permafrost"
VAULT_STACK = "permafrost-vault"

REGION = "eu-central-1"

# The emulator's root user: bypasses every policy. For deploying and looking; people and tests use the operator.
ROOT_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def architecture() -> str:
    """The machine's architecture as Lambda spells it."""
    return {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")


def read_json(path: Path) -> dict | None:
    """The file's content, or None where there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise Problem(f"{path} is not JSON: {error}", "Run `make clean`, which starts afresh.") from error


def require_json(path: Path) -> dict:
    """The content of a file that `make up` has written."""
    value = read_json(path)
    if value is None:
        raise Problem(f"there is no {path}", "Run `make up`.")
    return value


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file whole, with its final permissions from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    partial.replace(path)


def write_json(path: Path, value: dict, mode: int = 0o644) -> None:
    """Write a value as JSON, whole or not at all."""
    write_file(path, json.dumps(value, indent=2) + "\n", mode)


@contextmanager
def exclusive() -> Iterator[None]:
    """Let one command at a time change this checkout's stack; a second one waits."""
    STATE.mkdir(exist_ok=True)
    with open(STATE / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("    another command is changing this checkout's stack; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def aws_environment(endpoint: str) -> dict[str, str]:
    """The environment for tools that deploy to or look into the emulator: as root, blind to the caller's profile."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TERM") if name in os.environ}
    return {
        **kept,
        **ROOT_CREDENTIALS,
        "PATH": f"{VENV_BIN}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "SAM_CLI_TELEMETRY": "0",
    }
