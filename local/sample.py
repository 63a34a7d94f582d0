"""The demonstration's database and the two roles that Permafrost logs in as."""

import json
import secrets
from pathlib import Path

from psycopg2 import sql

from local import emulator, postgres
from local.console import say, step

DATABASE = "shop"
OWNER = "shop_owner"
BACKUP_ROLE = "backup"
RESTORE_ROLE = "restore"
BACKUP_SECRET = "permafrost/demo"
RESTORE_SECRET = "permafrost/demo-restore"
SCRIPT = Path(__file__).with_name("sample.sql")

# The marker that the database was generated to its end; a half-made one is made again.
COMPLETE = "permafrost sample, version 1"


def create_database() -> None:
    """Generate the sample database, unless it is there complete."""
    with postgres.session("postgres") as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [DATABASE])
        row = cursor.fetchone()
    if row is not None and row[0] == COMPLETE:
        say(f"the sample database `{DATABASE}` is already there: {size()}")
        return
    with step(f"Generate the sample database `{DATABASE}`"):
        ensure_role(OWNER, "NOLOGIN")
        execute("postgres", sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
        execute(
            "postgres",
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 OWNER {}").format(
                sql.Identifier(DATABASE), sql.Identifier(OWNER)
            ),
        )
        with postgres.session(DATABASE) as cursor:
            cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER)))
            cursor.execute(SCRIPT.read_text())
        execute(
            "postgres",
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(DATABASE), sql.Literal(COMPLETE)),
        )
        say(f"{size()} in four schemas: tables, partitions, constraints, sequences, views, an enum, a trigger")


def size() -> str:
    """The database's size on disk, for people."""
    with postgres.session("postgres") as cursor:
        cursor.execute("SELECT pg_size_pretty(pg_database_size(%s))", [DATABASE])
        return cursor.fetchone()[0]


def drop_database(name: str) -> None:
    """Drop a database of an earlier demonstration."""
    execute("postgres", sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def execute(database: str, statement: sql.Composable) -> None:
    """Run one statement as the superuser, outside any transaction."""
    with postgres.session(database) as cursor:
        cursor.execute(statement)


def ensure_role(name: str, options: str, password: str | None = None) -> None:
    """Make the role, or give the one that is there these options and this password."""
    with postgres.session("postgres") as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        statement = sql.SQL(f"{verb} ROLE {{}} {options}").format(sql.Identifier(name))
        if password is not None:
            statement += sql.SQL(" PASSWORD {}").format(sql.Literal(password))
        cursor.execute(statement)


def create_logins() -> tuple[str, str]:
    """Make the two roles with what each needs and no more. Returns the ARNs of their secrets."""
    with step("Create two roles, and their passwords as secrets"):
        backup_password, backup_arn = secret(BACKUP_SECRET, BACKUP_ROLE)
        ensure_role(BACKUP_ROLE, "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE", backup_password)
        execute("postgres", sql.SQL("GRANT pg_read_all_data TO {}").format(sql.Identifier(BACKUP_ROLE)))
        say(f"`{BACKUP_ROLE}` may read all data and nothing else; login in the secret {BACKUP_SECRET}")
        restore_password, restore_arn = secret(RESTORE_SECRET, RESTORE_ROLE)
        ensure_role(RESTORE_ROLE, "LOGIN NOSUPERUSER CREATEDB NOCREATEROLE", restore_password)
        grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(OWNER), sql.Identifier(RESTORE_ROLE))
        execute("postgres", grant)
        say(f"`{RESTORE_ROLE}` may create databases; login in the secret {RESTORE_SECRET}")
    return backup_arn, restore_arn


def secret(name: str, user: str) -> tuple[str, str]:
    """The password and the ARN of a login's secret in the form of RDS; generated where there is none."""
    manager = emulator.client("secretsmanager")
    try:
        found = manager.get_secret_value(SecretId=name)
        return json.loads(found["SecretString"])["password"], found["ARN"]
    except manager.exceptions.ResourceNotFoundException:
        password = secrets.token_urlsafe(24)
        made = manager.create_secret(Name=name, SecretString=json.dumps({"username": user, "password": password}))
        return password, made["ARN"]
