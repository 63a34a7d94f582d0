//! What a database holds, read by other means than the product's: schema text by pg_dump, rows by count and hash.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Stdio;

use permafrost_engine::pg::{Connection, Row};
use permafrost_engine::sql::qualified;

use super::Server;

/// What a database holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    /// The schema as `pg_dump --schema-only` prints it, with owners, privileges and comments.
    pub schema: Vec<String>,
    /// Every table (a partition is one) and every materialised view.
    pub relations: BTreeMap<String, Rows>,
    /// Every sequence.
    pub sequences: BTreeMap<String, Position>,
}

/// The rows of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Their number, and the sum of their hashes, in which their order plays no part.
    Hashed {
        /// How many.
        count: u64,
        /// Modulo 2^64.
        hash: String,
    },
    /// A materialised view that was never filled.
    Unpopulated,
}

/// Where a sequence stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The last value.
    pub last_value: String,
    /// Whether it was handed out.
    pub is_called: String,
}

impl Contents {
    /// Reads a database of the stack's server as the superuser.
    ///
    /// # Panics
    /// Something cannot be read.
    pub async fn of(database: &str) -> Self {
        Self::on(&Server::of_the_stack(), database).await
    }

    /// Reads a database of any server as the superuser.
    ///
    /// # Panics
    /// Something cannot be read.
    pub async fn on(server: &Server, database: &str) -> Self {
        let schema = schema_of(server, database).await;
        let mut connection = server.connect(database).await;
        let relations = relations_of(&mut connection).await;
        let sequences = sequences_of(&mut connection).await;
        connection.close().await;
        Self { schema, relations, sequences }
    }

    /// The rows of all tables together.
    pub fn total_rows(&self) -> u64 {
        self.relations
            .values()
            .map(|rows| match rows {
                Rows::Hashed { count, .. } => *count,
                Rows::Unpopulated => 0,
            })
            .sum()
    }

    /// What differs, for people; empty where nothing does.
    pub fn differences(&self, other: &Self) -> String {
        let mut found = String::new();
        line_differences(&self.schema, &other.schema, &mut found);
        differing("relation", &self.relations, &other.relations, &mut found);
        differing("sequence", &self.sequences, &other.sequences, &mut found);
        found
    }
}

/// Asserts that two databases hold the same.
///
/// # Panics
/// They do not, or the first holds no rows at all, in which case nothing was compared.
pub fn assert_equal(original: &Contents, restored: &Contents) {
    assert!(original.total_rows() > 0, "the original is empty: nothing is compared");
    let differences = original.differences(restored);
    assert!(original == restored, "the databases differ:\n{differences}");
}

/// `pg_dump --schema-only`, without the lines that differ between any two dumps.
async fn schema_of(server: &Server, database: &str) -> Vec<String> {
    let output = tokio::process::Command::new(server.client("pg_dump"))
        .arg("--schema-only")
        // As a connection string: a name may hold anything.
        .arg(format!("--dbname=dbname='{}'", database.replace('\\', r"\\").replace('\'', r"\'")))
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("PGHOST", &server.host)
        .env("PGPORT", server.port.to_string())
        .env("PGUSER", &server.user)
        .env("PGPASSWORD", server.password.expose())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("pg_dump can be run");
    assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("pg_dump writes UTF-8");
    let noise = ["\\restrict ", "\\unrestrict ", "-- Dumped from database", "-- Dumped by pg_dump"];
    let lines = text.lines().filter(|line| !noise.iter().any(|start| line.starts_with(start)));
    lines.map(str::to_owned).collect()
}

async fn relations_of(connection: &mut Connection) -> BTreeMap<String, Rows> {
    let mut found = BTreeMap::new();
    for relation in user_relations(connection, "'r', 'm', 'p'").await {
        let quoted = qualified(relation.get(0).unwrap_or_default(), relation.get(1).unwrap_or_default());
        let rows = match relation.get(2) {
            Some("unpopulated") => Rows::Unpopulated,
            Some("elsewhere") => continue,
            Some("with children") => hash(connection, &quoted).await,
            _ => hash(connection, &format!("ONLY {quoted}")).await,
        };
        found.insert(quoted, rows);
    }
    found
}

async fn hash(connection: &mut Connection, rows: &str) -> Rows {
    // The alias must be no column's name, or it would be the column that is hashed.
    // By md5, as PostgreSQL 10 has no other hash of 64 bits.
    let statement = format!(
        "SELECT count(*), coalesce(sum(('x' || left(md5(\"the whole row\"::text), 16))::bit(64)::bigint::numeric), 0) \
         % 18446744073709551616 FROM {rows} AS \"the whole row\""
    );
    let row = one(connection, &statement).await;
    let count = row.parse(0).expect("a count is a number");
    Rows::Hashed { count, hash: row.get(1).unwrap_or_default().to_owned() }
}

async fn sequences_of(connection: &mut Connection) -> BTreeMap<String, Position> {
    let mut found = BTreeMap::new();
    for sequence in user_relations(connection, "'S'").await {
        let quoted = qualified(sequence.get(0).unwrap_or_default(), sequence.get(1).unwrap_or_default());
        let row = one(connection, &format!("SELECT last_value, is_called FROM {quoted}")).await;
        let text = |index| row.get(index).expect("a sequence has a position").to_owned();
        found.insert(quoted, Position { last_value: text(0), is_called: text(1) });
    }
    found
}

/// Schema, name, and where the rows are: `unpopulated`, `elsewhere`, `with children`, or in the relation `itself`.
///
/// Hashed by an enum, a row lies in another partition after a restore, as the hash is that of the value's oid: such
/// tables are taken as a whole.
async fn user_relations(connection: &mut Connection, kinds: &str) -> Vec<Row> {
    const BY_ENUM: &str = "EXISTS (SELECT FROM pg_partitioned_table p \
         JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs) \
         JOIN pg_type t ON t.oid = a.atttypid WHERE p.partstrat = 'h' AND t.typtype = 'e' AND p.partrelid =";
    let query = format!(
        "SELECT n.nspname, c.relname, CASE \
         WHEN NOT c.relispopulated THEN 'unpopulated' \
         WHEN c.relkind = 'p' THEN CASE WHEN {BY_ENUM} c.oid) THEN 'with children' ELSE 'elsewhere' END \
         WHEN c.relispartition AND {BY_ENUM} (SELECT inhparent FROM pg_inherits WHERE inhrelid = c.oid)) \
         THEN 'elsewhere' ELSE 'itself' END \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ({kinds}) AND c.relpersistence <> 't' \
         AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
    );
    connection.query(&query, &[]).await.expect("the relations can be listed")
}

async fn one(connection: &mut Connection, query: &str) -> Row {
    let rows = connection.query(query, &[]).await.unwrap_or_else(|error| panic!("{error}: {query}"));
    rows.into_iter().next().unwrap_or_else(|| panic!("no row: {query}"))
}

/// The first lines that differ, with the line before them, which names the object.
fn line_differences(left: &[String], right: &[String], found: &mut String) {
    const SHOWN: usize = 40;
    let start = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    if start == left.len() && start == right.len() {
        return;
    }
    let around = start.saturating_sub(8);
    for (sign, lines) in [('-', left), ('+', right)] {
        for line in lines.iter().skip(around).take(SHOWN) {
            writeln!(found, "{sign} {line}").expect("a string takes text");
        }
    }
}

fn differing<T: PartialEq + std::fmt::Debug>(
    kind: &str,
    left: &BTreeMap<String, T>,
    right: &BTreeMap<String, T>,
    found: &mut String,
) {
    let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        if left.get(name) != right.get(name) {
            let (left, right) = (left.get(name), right.get(name));
            writeln!(found, "{kind} {name}: {left:?} and {right:?}").expect("a string takes text");
        }
    }
}
