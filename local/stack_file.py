"""What others need to know of the running stack: `.local/stack.json` for programs, `.local/env` for shells."""

import shlex
from pathlib import Path
from urllib.parse import urlsplit

from local import access, build, daemon, emulator, postgres
from local.layout import (
    APP_STACK,
    CLI_BINARY,
    ENV_FILE,
    OPERATOR_FILE,
    PASSFILE,
    REGION,
    ROOT_CREDENTIALS,
    STACK_FILE,
    STATE,
    VAULT_STACK,
    VENV_BIN,
    write_file,
    write_json,
)


def api_url(api_id: str, deployed_url: str) -> str:
    """The API's address on the emulator. The stack's output is shaped for AWS; its last part is the stage."""
    stage = urlsplit(deployed_url).path.strip("/").split("/")[-1]
    return f"{emulator.endpoint()}/_aws/execute-api/{api_id}/{stage}"


def write(outputs: dict[str, dict[str, str]]) -> dict:
    """Write both files and return what `stack.json` holds."""
    vault = outputs[VAULT_STACK]
    found = postgres.programs()
    stack = {
        "endpoint": emulator.endpoint(),
        "region": REGION,
        "account_id": emulator.client("sts").get_caller_identity()["Account"],
        "root": {
            "access_key_id": ROOT_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "secret_access_key": ROOT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        },
        "vault_stack": VAULT_STACK,
        "vault_name": vault["VaultName"],
        "backup_bucket": vault["BackupBucketName"],
        "archive_bucket": vault["ArchiveBucketName"],
        "key_arn": vault["KeyArn"],
        "table": vault["TableName"],
        "postgres": {
            "host": postgres.HOST,
            "port": daemon.port_for("postgres"),
            "user": postgres.SUPERUSER,
            "password_file": str(postgres.PASSWORD_FILE),
            "passfile": str(PASSFILE),
            "bin_dir": str(found.bin_dir),
            "major": found.major,
        },
        "emulator_log": str(emulator.LOG_FILE),
    }
    variables = {
        "PERMAFROST_STACK": str(STACK_FILE),
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": emulator.endpoint(),
        "PGHOST": postgres.HOST,
        "PGPORT": str(stack["postgres"]["port"]),
        "PGUSER": postgres.SUPERUSER,
        "PGPASSFILE": str(PASSFILE),
    }
    app = outputs.get(APP_STACK)
    if app is not None:
        keys = access.operator(app["ApiId"], stack["account_id"])
        stack |= {
            "app_stack": APP_STACK,
            "api_id": app["ApiId"],
            "api_url": api_url(app["ApiId"], app["ApiUrl"]),
            "pg_clients_dir": str(build.pg_clients_dir()),
            "operator_file": str(OPERATOR_FILE),
            "command_line": str(CLI_BINARY),
            "outputs": app,
        }
        variables |= {
            "PERMAFROST_ENDPOINT": stack["api_url"],
            "AWS_ACCESS_KEY_ID": keys["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
        }
        build.link_command_line()
    write_json(STACK_FILE, stack)
    write_env(variables, found.bin_dir)
    return stack


def write_env(variables: dict[str, str], pg_bin_dir: Path) -> None:
    """The shell's file: what `permafrost`, `psql` and `aws` need to find the stack. Holds the operator's keys."""
    lines = ["# Load with:  . .local/env"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    # The server's own psql comes last: it is for machines that have no other.
    ours, servers = f"{STATE / 'bin'}:{VENV_BIN}", str(pg_bin_dir)
    lines += [f'export PATH={shlex.quote(ours)}:"$PATH":{shlex.quote(servers)}']
    write_file(ENV_FILE, "\n".join(lines) + "\n", 0o600)
