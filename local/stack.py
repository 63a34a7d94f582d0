"""The local stack as a whole: up, down, clean."""

import shutil

from local import build, deploy, emulator, postgres, servers, stack_file
from local.console import say
from local.layout import ROOT, STATE


def up() -> dict:
    """Bring everything up to date and running. Returns what `stack.json` holds."""
    # PostgreSQL first: where it comes from PyPI, the layer takes its clients from there too.
    postgres.up()
    build.for_the_local_stack()
    emulator.up()
    return stack_file.write(deploy.locally())


def vault() -> dict:
    """Bring up the servers and the vault alone, which is what tests of a single crate need; nothing is compiled."""
    postgres.up()
    emulator.up()
    return stack_file.write(deploy.vault_alone())


def down() -> None:
    """Stop all servers. Their state stays in `.local` for the next `up`."""
    emulator.down()
    postgres.down()
    servers.down()


def clean() -> None:
    """Stop all servers and remove all that the stack ever wrote. Build outputs stay."""
    down()
    postgres.clean()
    servers.clean()
    if STATE.exists():
        shutil.rmtree(STATE)
    say(f"removed {STATE.relative_to(ROOT)}")
