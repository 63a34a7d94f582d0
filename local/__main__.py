"""The commands behind the Makefile's targets: `python -m local <command>`."""

import argparse
import os
import sys

from local import checks, demo, deploy, servers, stack
from local.console import Problem, report, say
from local.layout import ENV_FILE, ROOT, exclusive


def up() -> None:
    """Start and deploy, then say how to use it."""
    with exclusive():
        running = stack.up()
    say(f"up: {running.get('api_url', running['endpoint'])}")
    say(f"use it from a shell: . {ENV_FILE.relative_to(ROOT)}")


def vault() -> None:
    """Start the servers and deploy the vault alone."""
    with exclusive():
        running = stack.vault()
    say(f"up, without the application: {running['endpoint']}")


def start_servers(names: list[str]) -> None:
    """Start PostgreSQL servers of the named versions, or of all."""
    wanted = names or servers.all_names()
    with exclusive():
        servers.up(wanted)
    say(f"up: PostgreSQL {', '.join(wanted)}; see {servers.RECORD_FILE.relative_to(ROOT)}")


def down() -> None:
    """Stop what runs."""
    with exclusive():
        stack.down()


def clean() -> None:
    """Stop what runs and remove its state."""
    with exclusive():
        stack.clean()


COMMANDS = {
    "up": up,
    "vault": vault,
    "down": down,
    "clean": clean,
    "demo": demo.main,
    "test": checks.everything,
    "lint": checks.only_lints,
    "deploy": deploy.on_aws,
}


def main() -> int:
    """Run one command; a problem is told with its remedy, not with a traceback."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The local stack of Permafrost.")
    commands = parser.add_subparsers(metavar="command", required=True)
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__).set_defaults(run=lambda _, command=command: command())
    of_versions = commands.add_parser("servers", help=start_servers.__doc__)
    of_versions.add_argument("names", nargs="*", help="10 to 18, 12-standby to 18-standby; every major if none")
    of_versions.set_defaults(run=lambda arguments: start_servers(arguments.names))
    arguments = parser.parse_args()
    # A caller's umask of 077 would hide the cluster's and the layer's files from the server's user.
    os.umask(0o022)
    try:
        arguments.run(arguments)
    except Problem as problem:
        report(problem)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; `make down` stops what was started", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
