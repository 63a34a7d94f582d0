"""Whether two databases are equal: their schemas as text, their tables by row count and hash, their sequences."""

import difflib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from psycopg2 import sql

from local import postgres
from local.console import Problem

# Lines of a plain dump that differ between any two dumps, even of one database.
NOISE = ("--", "\\restrict", "\\unrestrict")


@dataclass(frozen=True)
class Content:
    """What a relation holds: rows, and a sum of the rows' hashes, in which their order plays no part."""

    rows: int
    hash: int


@dataclass(frozen=True)
class Comparison:
    """Two databases side by side."""

    schema_lines: int
    schema_difference: list[str]
    tables: dict[str, tuple[Content | None, Content | None]]
    sequences: dict[str, tuple[tuple | None, tuple | None]]

    def is_equal(self) -> bool:
        """Whether nothing differs."""
        pairs = [*self.tables.values(), *self.sequences.values()]
        return not self.schema_difference and all(left == right for left, right in pairs)


def compare(left: str, right: str) -> Comparison:
    """Read both databases at once and compare them."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        schemas = [pool.submit(schema_of, database) for database in (left, right)]
        contents = [pool.submit(contents_of, database) for database in (left, right)]
        sequences = [pool.submit(sequences_of, database) for database in (left, right)]
        left_schema, right_schema = (task.result() for task in schemas)
        left_contents, right_contents = (task.result() for task in contents)
        left_sequences, right_sequences = (task.result() for task in sequences)
    difference = list(difflib.unified_diff(left_schema, right_schema, left, right, lineterm="", n=1))
    return Comparison(
        schema_lines=len(left_schema),
        schema_difference=difference,
        tables=side_by_side(left_contents, right_contents),
        sequences=side_by_side(left_sequences, right_sequences),
    )


def side_by_side(left: dict, right: dict) -> dict:
    """Both sides of every name that either has."""
    return {name: (left.get(name), right.get(name)) for name in sorted(left.keys() | right.keys())}


def schema_of(database: str) -> list[str]:
    """The schema as pg_dump prints it, without comments. Owners and grants are those of who restored."""
    command = [str(postgres.client_program("pg_dump")), "--schema-only", "--no-owner", "--no-privileges", database]
    dumped = subprocess.run(command, env=postgres.client_environment(), capture_output=True, text=True, check=False)
    if dumped.returncode != 0:
        raise Problem(f"pg_dump of {database} failed: {dumped.stderr.strip()}", "See .local/postgres.log.")
    return [line for line in dumped.stdout.splitlines() if line and not line.startswith(NOISE)]


def contents_of(database: str) -> dict[str, Content]:
    """Every table and materialised view with its content; a partition is a table."""
    with postgres.session(database) as cursor:
        cursor.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
        )
        found = {}
        for schema, name in cursor.fetchall():
            relation = sql.Identifier(schema, name)
            statement = "SELECT count(*), coalesce(sum(hashtextextended(r::text, 0)::numeric), 0) FROM ONLY {} AS r"
            cursor.execute(sql.SQL(statement).format(relation))
            rows, total = cursor.fetchone()
            found[f"{schema}.{name}"] = Content(rows, int(total) % 2**64)
        return found


def sequences_of(database: str) -> dict[str, tuple]:
    """Every sequence's position."""
    with postgres.session(database) as cursor:
        cursor.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'S'"
        )
        found = {}
        for schema, name in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name)))
            found[f"{schema}.{name}"] = cursor.fetchone()
        return found
