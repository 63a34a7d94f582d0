"""What people read: steps with their time, and problems with their remedy."""

import contextlib
import sys
import time
from collections.abc import Iterator

STARTED = time.monotonic()


class Problem(Exception):
    """Something that stops the command: what is wrong, and a sentence on what to do about it."""

    def __init__(self, message: str, hint: str):
        super().__init__(message)
        self.hint = hint


def elapsed() -> str:
    """Time since the command began, as `m:ss`."""
    seconds = int(time.monotonic() - STARTED)
    return f"{seconds // 60}:{seconds % 60:02d}"


def say(text: str) -> None:
    """One line below the current step."""
    print(f"    {text}", flush=True)


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step when it begins, and say how long it took when it ends well."""
    print(f"[{elapsed()}] {title}", flush=True)
    started = time.monotonic()
    yield
    say(f"done in {time.monotonic() - started:.1f} s")


def report(problem: Problem) -> None:
    """Print a problem the way the whole product does: the message, then the hint."""
    print(f"error: {problem}\nHINT: {problem.hint}", file=sys.stderr, flush=True)
