"""Stamps: what a step was last done with, so that it is skipped while that has not changed.

A stamp is written after its step succeeded and holds a digest of the contents, never of times, so that a fresh clone,
a branch switched to and back, or a touched file do not set the step off.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from local.layout import ROOT, STAMPS, write_file


def digest_of(paths: Iterable[Path], *extra: str) -> str:
    """A digest of the files' names and contents and of whatever else the step depends on."""
    digest = hashlib.sha256()
    for path in sorted(files_below(paths)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    for text in extra:
        digest.update(f"{len(text)}\0{text}".encode())
    return digest.hexdigest()


def files_below(paths: Iterable[Path]) -> Iterable[Path]:
    """The files themselves and those below the directories, without what programs leave behind."""
    for path in paths:
        if path.is_dir():
            yield from (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        elif path.exists():
            yield path


def matches(name: str, digest: str) -> bool:
    """Whether the step was last done with exactly this."""
    path = STAMPS / name
    return path.exists() and path.read_text() == digest


def record(name: str, digest: str) -> None:
    """Note that the step is done with this."""
    write_file(STAMPS / name, digest)


def forget(name: str) -> None:
    """Note that the step is no longer done."""
    (STAMPS / name).unlink(missing_ok=True)
