//! All that is compared: every fact about a database as text, by what it is about.
//!
//! Rows are hashed on the server: each row's columns as text, by name, under fixed settings; the sum of the rows'
//! hashes does not depend on their order. Floats are taken in their binary form, as servers before 12 write them out
//! with other digits than later ones.

use std::collections::BTreeMap;
use std::fmt;

use permafrost_engine::pg::{Connection, Row};
use permafrost_engine::sql::qualified;

use super::{Place, schema};

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An object's statements in `pg_dump --schema-only`.
    Definition,
    /// The object that pg_dump prints before this one.
    Order,
    /// The rows of a table, of a materialised view, or of a partitioned table in which rows change their places.
    Rows,
    /// Where a sequence stands.
    Sequence,
    /// A large object: its bytes, owner, privileges, comment.
    LargeObject,
    /// A property of the database itself, which `pg_dump` prints only on request.
    Database,
}

/// What a fact is about, and which one: `Rows` of `"app"."texts"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// The kind.
    pub subject: Subject,
    /// The object.
    pub object: String,
}

/// Everything about a database that a restore must bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The facts.
    pub facts: BTreeMap<Fact, String>,
    /// The objects in pg_dump's order.
    pub order: Vec<String>,
}

/// Under which rows are written out. A database's own settings must play no part.
const SESSION: &str = "SET search_path = ''; SET extra_float_digits = 3; SET DateStyle = 'ISO, YMD'; \
     SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; SET TimeZone = 'UTC'; SET lc_monetary = 'C'; \
     SET xmlbinary = 'base64'; SET row_security = off; SET statement_timeout = 0; SET lock_timeout = 0; \
     SET client_encoding = 'UTF8'; SET default_transaction_read_only = on";

/// How the rows of an empty table begin.
const NO_ROWS: &str = "0 rows";

impl Contents {
    /// Reads a database as a superuser.
    ///
    /// # Panics
    /// Something cannot be read.
    pub async fn of(place: &Place) -> Self {
        let mut facts = BTreeMap::new();
        let mut order = Vec::new();
        for definition in schema::definitions(place).await {
            let object = numbered(&facts, definition.object);
            order.push(object.clone());
            facts.insert(Fact { subject: Subject::Definition, object }, definition.text);
        }
        let mut connection = place.connect().await;
        connection.execute(SESSION).await.expect("settings can be set");
        rows(&mut connection, &mut facts).await;
        sequences(&mut connection, &mut facts).await;
        large_objects(&mut connection, &mut facts).await;
        database(&mut connection, &mut facts).await;
        connection.close().await;
        Self { facts, order }
    }

    /// Whether any table has rows.
    pub fn holds_rows(&self) -> bool {
        self.facts.iter().any(|(fact, text)| fact.subject == Subject::Rows && !text.starts_with(NO_ROWS))
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match self.subject {
            Subject::Definition => "definition",
            Subject::Order => "place in the order",
            Subject::Rows => "rows",
            Subject::Sequence => "sequence",
            Subject::LargeObject => "large object",
            Subject::Database => "the database's",
        };
        write!(f, "{subject} {}", self.object)
    }
}

/// A heading may be there more than once, as default privileges of two roles are: the second gets a number.
fn numbered(facts: &BTreeMap<Fact, String>, object: String) -> String {
    let taken = |object: &str| {
        let fact = Fact { subject: Subject::Definition, object: object.to_owned() };
        facts.contains_key(&fact)
    };
    if !taken(&object) {
        return object;
    }
    let mut numbers = (2..).map(|number| format!("{object} #{number}"));
    numbers.find(|candidate| !taken(candidate)).expect("numbers do not end")
}

async fn rows(connection: &mut Connection, facts: &mut BTreeMap<Fact, String>) {
    for relation in all(connection, RELATIONS).await {
        let object = qualified(text(&relation, 0), text(&relation, 1));
        let found = match text(&relation, 2) {
            "unpopulated" => "not populated".to_owned(),
            "elsewhere" => continue,
            "with children" => hash(connection, &object, text(&relation, 3)).await,
            _ => hash(connection, &format!("ONLY {object}"), text(&relation, 3)).await,
        };
        facts.insert(Fact { subject: Subject::Rows, object }, found);
    }
}

/// Schema, name, where the rows are (`unpopulated`, `elsewhere`, `with children`, or in the relation `itself`), and the
/// columns as they are hashed.
///
/// Hashed by an enum, a row lies in another partition after a restore, as the hash is that of the value's oid: such
/// tables are taken as a whole, with all that is below them.
const RELATIONS: &str = "
    WITH RECURSIVE by_enum AS (
        SELECT DISTINCT p.partrelid AS oid FROM pg_partitioned_table p
            JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs)
            JOIN pg_type t ON t.oid = a.atttypid
        WHERE p.partstrat = 'h' AND t.typtype = 'e'
    ), below AS (
        SELECT i.inhrelid AS oid FROM by_enum JOIN pg_inherits i ON i.inhparent = by_enum.oid
        UNION SELECT i.inhrelid FROM below JOIN pg_inherits i ON i.inhparent = below.oid
    ), columns AS (
        SELECT a.attrelid AS oid, string_agg(CASE
                WHEN t.typnamespace = 'pg_catalog'::regnamespace AND t.typname ~
                    '^_?(float4|float8|point|line|lseg|box|path|polygon|circle)$'
                THEN format('encode(pg_catalog.%I(r.%I), ''hex'')', t.typsend, a.attname)
                ELSE format('r.%I', a.attname) END, ', ' ORDER BY a.attname::text COLLATE \"C\") AS list
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attrelid
    )
    SELECT n.nspname, c.relname, CASE
        WHEN NOT c.relispopulated THEN 'unpopulated'
        WHEN c.oid IN (SELECT oid FROM below) THEN 'elsewhere'
        WHEN c.oid IN (SELECT oid FROM by_enum) THEN 'with children'
        WHEN c.relkind = 'p' THEN 'elsewhere'
        ELSE 'itself' END, coalesce(columns.list, '')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN columns ON columns.oid = c.oid
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
        AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

async fn hash(connection: &mut Connection, relation: &str, columns: &str) -> String {
    let query = format!(
        "SELECT count(*), coalesce(sum(('x' || left(md5(ROW({columns})::text), 16))::bit(64)::bigint::numeric), 0) \
         FROM {relation} AS r"
    );
    let row = one(connection, &query).await;
    format!("{} rows, hash {}", text(&row, 0), text(&row, 1))
}

async fn sequences(connection: &mut Connection, facts: &mut BTreeMap<Fact, String>) {
    const SEQUENCES: &str =
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'";
    for sequence in all(connection, SEQUENCES).await {
        let object = qualified(text(&sequence, 0), text(&sequence, 1));
        let row = one(connection, &format!("SELECT last_value, is_called FROM {object}")).await;
        let called = if text(&row, 1) == "t" { "called" } else { "not called" };
        facts.insert(Fact { subject: Subject::Sequence, object }, format!("{}, {called}", text(&row, 0)));
    }
}

async fn large_objects(connection: &mut Connection, facts: &mut BTreeMap<Fact, String>) {
    const LARGE_OBJECTS: &str = "
        SELECT oid, format(E'owner %s\\nprivileges %s\\ncomment %L\\n%s bytes, hash %s', lomowner::regrole,
            (SELECT string_agg(item::text, ' ' ORDER BY item::text COLLATE \"C\") FROM unnest(lomacl) AS item),
            obj_description(oid, 'pg_largeobject'), length(lo_get(oid)), md5(lo_get(oid)))
        FROM pg_largeobject_metadata";
    for row in all(connection, LARGE_OBJECTS).await {
        let fact = Fact { subject: Subject::LargeObject, object: text(&row, 0).to_owned() };
        facts.insert(fact, text(&row, 1).to_owned());
    }
}

async fn database(connection: &mut Connection, facts: &mut BTreeMap<Fact, String>) {
    // As JSON: the columns of locale and provider are not the same in all versions.
    const PROPERTIES: &str = "
        WITH d AS (SELECT oid, to_jsonb(d) AS j, datdba, encoding, datacl, datconnlimit FROM pg_database d
            WHERE datname = current_database())
        SELECT 'owner', datdba::regrole::text FROM d
        UNION ALL SELECT 'encoding', pg_encoding_to_char(encoding) FROM d
        UNION ALL SELECT 'locale', concat_ws(' ', coalesce(j ->> 'datlocprovider', 'c'), j ->> 'datcollate',
            j ->> 'datctype', coalesce(j ->> 'datlocale', j ->> 'daticulocale')) FROM d
        UNION ALL SELECT 'connection limit', datconnlimit::text FROM d
        UNION ALL SELECT 'privileges', (SELECT string_agg(item::text, ' ' ORDER BY item::text COLLATE \"C\")
            FROM unnest(datacl) AS item) FROM d
        UNION ALL SELECT 'comment', shobj_description(oid, 'pg_database') FROM d
        UNION ALL SELECT 'settings' || CASE WHEN setrole <> 0 THEN ' for ' || setrole::regrole ELSE '' END,
            (SELECT string_agg(item, E'\\n' ORDER BY item COLLATE \"C\") FROM unnest(setconfig) AS item)
            FROM d JOIN pg_db_role_setting s ON s.setdatabase = d.oid";
    for row in all(connection, PROPERTIES).await {
        let fact = Fact { subject: Subject::Database, object: text(&row, 0).to_owned() };
        facts.insert(fact, text(&row, 1).to_owned());
    }
}

async fn all(connection: &mut Connection, query: &str) -> Vec<Row> {
    connection.query(query, &[]).await.unwrap_or_else(|error| panic!("{error}: {query}"))
}

async fn one(connection: &mut Connection, query: &str) -> Row {
    all(connection, query).await.into_iter().next().unwrap_or_else(|| panic!("no row: {query}"))
}

/// A value; null is the empty text.
fn text(row: &Row, index: usize) -> &str {
    row.get(index).unwrap_or_default()
}
