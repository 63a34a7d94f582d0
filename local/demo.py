"""The demonstration: a database is protected, backed up, looked at, restored, and shown to be equal.

After the setup it uses the product's command line as a person would, with the keys of a user who may call the API and
nothing else. What it prints with a `$` can be typed again.
"""

import json
import os
import shlex
import subprocess

from local import compare, daemon, emulator, postgres, sample, stack
from local.console import Problem, elapsed, say, step
from local.layout import CLI_BINARY, ENV_FILE, OPERATOR_FILE, ROOT, exclusive, require_json

INSTANCE = "demo"
COPY = "shop_restored"

# What the command line may take from the caller: nothing of AWS.
KEPT_VARIABLES = ("PATH", "HOME", "TERM", "LANG", "COLUMNS", "NO_COLOR")


class CommandLine:
    """`permafrost`, as the operator calls it."""

    def __init__(self, running: dict):
        keys = require_json(OPERATOR_FILE)
        self.environment = {
            **{name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            "PERMAFROST_ENDPOINT": running["api_url"],
            "AWS_REGION": running["region"],
            "AWS_ACCESS_KEY_ID": keys["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def show(self, *arguments: str) -> None:
        """Run a command before the reader's eyes."""
        print(f"\n$ permafrost {shlex.join(arguments)}", flush=True)
        status = subprocess.run([CLI_BINARY, *arguments], env=self.environment, check=False).returncode
        if status != 0:
            raise Problem(
                f"`permafrost {shlex.join(arguments)}` ended with status {status}",
                f"Load `. {ENV_FILE.relative_to(ROOT)}`, then look at `permafrost job list`.",
            )

    def ask(self, *arguments: str):
        """Run a command for its JSON."""
        done = subprocess.run(
            [CLI_BINARY, *arguments, "--output", "json"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Problem(
                f"`permafrost {shlex.join(arguments)}` ended with status {done.returncode}: {done.stderr.strip()}",
                "See .local/emulator/log.",
            )
        return json.loads(done.stdout)


def main() -> None:
    """Tell the story from an empty machine to an equal copy."""
    print(
        "Permafrost backs up PostgreSQL databases for years, with AWS Lambda, Step Functions, S3 and DynamoDB.\n"
        "This runs on this machine alone: an AWS emulator and a PostgreSQL server, both private to this checkout.\n",
        flush=True,
    )
    with exclusive():
        running = stack.up()
        sample.create_database()
        backup_secret, restore_secret = sample.create_logins()
    permafrost = CommandLine(running)
    protect(permafrost, backup_secret)
    back_up(permafrost)
    show_objects(permafrost, running)
    restore(permafrost, restore_secret)
    prove_equal()
    print(
        f"\n[{elapsed()}] Done. The stack is still running; `make down` stops it, `make clean` removes it. Try next:\n"
        f"\n  . {ENV_FILE.relative_to(ROOT)}\n"
        f"  permafrost job list\n"
        f"  permafrost recovery-point show {INSTANCE} latest --output json\n"
        f"  psql -d {COPY} -c 'TABLE sales.best_customers LIMIT 5'",
        flush=True,
    )


def protect(permafrost: CommandLine, secret: str) -> None:
    """Protect the sample database, unless an earlier demonstration did."""
    heading("Protect the database: readiness is checked first, with what is missing and how to grant it")
    listed = permafrost.ask("instance", "list")
    items = listed["items"] if isinstance(listed, dict) else listed
    if any(item["name"] == INSTANCE and item["status"] == "Protected" for item in items):
        say(f"`{INSTANCE}` is protected already")
    else:
        server = ("--host", postgres.HOST, "--port", str(daemon.port_for("postgres")), "--database", sample.DATABASE)
        login = ("--user", sample.BACKUP_ROLE, "--secret-arn", secret, "--tls", "disable")
        permafrost.show("instance", "protect", "--name", INSTANCE, *server, *login)
    permafrost.show("instance", "list")


def back_up(permafrost: CommandLine) -> None:
    """Back up now, and show what came of it."""
    heading("Back it up: one snapshot, held while functions copy the tables in parallel")
    permafrost.show("backup", INSTANCE)
    permafrost.show("recovery-point", "list", INSTANCE)
    permafrost.show("recovery-point", "show", INSTANCE, "latest")


def show_objects(permafrost: CommandLine, running: dict) -> None:
    """List what the latest recovery point consists of in the backup store."""
    heading("What lies in the backup store")
    point = permafrost.ask("recovery-point", "show", INSTANCE, "latest")
    s3 = emulator.client("s3")
    bucket = running["backup_bucket"]
    prefix = f"instances/{point['instance']}/points/{point['id']}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    objects = [item for page in pages for item in page.get("Contents", [])]
    if not objects:
        raise Problem(f"s3://{bucket}/{prefix} is empty", "The recovery point has no objects: report this as a bug.")
    say(f"s3://{bucket}/{prefix}")
    for item in objects:
        say(f"{item['Size']:>12,}  {item['Key'].removeprefix(prefix)}")
    say(f"{sum(item['Size'] for item in objects):>12,}  bytes in {len(objects)} objects")


def restore(permafrost: CommandLine, secret: str) -> None:
    """Restore the latest point under a new name; the copy of an earlier demonstration goes first."""
    heading("Restore it under a new name; nobody sees it before it is complete")
    sample.drop_database(COPY)
    permafrost.show("restore", INSTANCE, "--to-database", COPY, "--user", sample.RESTORE_ROLE, "--secret-arn", secret)


def prove_equal() -> None:
    """Compare original and copy, and stop with what differs."""
    print(flush=True)
    with step(f"Compare `{sample.DATABASE}` and `{COPY}` by other means: pg_dump's schema, every row's hash"):
        found = compare.compare(sample.DATABASE, COPY)
        for line in table_of(found):
            say(line)
        if not found.is_equal():
            details = "\n".join(found.schema_difference[:40])
            raise Problem(f"the restored database differs\n{details}".rstrip(), "This is a bug: please report it.")
        say(f"schema: {found.schema_lines} lines of pg_dump, no difference. The two databases are equal.")


def table_of(found: compare.Comparison) -> list[str]:
    """The comparison as lines of a table."""
    lines = [f"{'relation':<32}{'rows':>12}{'restored':>12}  {'hash':<18}{'restored':<18}"]
    for name, (left, right) in found.tables.items():
        counts = "".join(f"{side.rows if side else 'missing':>12}" for side in (left, right))
        hashes = "".join(f"{f'{side.hash:016x}' if side else 'missing':<18}" for side in (left, right))
        lines.append(f"{name:<32}{counts}  {hashes}{'equal' if left == right else 'DIFFERENT'}")
    for name, (before, after) in found.sequences.items():
        positions = "".join(f"{side[0] if side else 'missing':>12}" for side in (before, after))
        lines.append(f"{name:<32}{positions}  {'sequence':<36}{'equal' if before == after else 'DIFFERENT'}")
    return lines


def heading(text: str) -> None:
    """A chapter of the demonstration."""
    print(f"\n[{elapsed()}] {text}", flush=True)
