//! The databases: one giant table, thirty mixed ones, very many small ones. Made on the server, by the server.

use crate::error::BenchError;
use crate::say;
use crate::server::Server;

/// Bytes of a megabyte, as in the arguments.
const MB: u64 = 1024 * 1024;
/// How many mixed tables there are.
const MIXED_TABLES: u32 = 30;
/// Each mixed table has this share of the one before it: from a seventh of the whole to a thousandth.
const SHRINK: f64 = 0.86;
/// Small tables made in one transaction.
const TABLES_BATCH: u64 = 500;

/// A database to measure with.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// Its name on the server.
    pub(crate) name: String,
    /// What makes it.
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Giant { mb: u64 },
    Mixed { mb: u64 },
    Tables { count: u64 },
}

impl Database {
    /// One table of very small rows.
    pub(crate) fn giant(mb: u64) -> Self {
        Self { name: format!("giant_{mb}"), kind: Kind::Giant { mb } }
    }

    /// Thirty tables of text, JSON, numbers, bytes and times.
    pub(crate) fn mixed(mb: u64) -> Self {
        Self { name: format!("mixed_{mb}"), kind: Kind::Mixed { mb } }
    }

    /// `count` tables of a few rows.
    pub(crate) fn tables(count: u64) -> Self {
        Self { name: format!("tables_{count}"), kind: Kind::Tables { count } }
    }

    /// Makes the database, unless a run before has.
    pub(crate) async fn make(&self, server: &Server) -> Result<(), BenchError> {
        let found = format!("SELECT 1 FROM pg_database WHERE datname = '{}'", self.name);
        if !server.query("postgres", &found).await?.is_empty() {
            return Ok(());
        }
        say::line(&format!("making the database {}", self.name));
        // Under another name until it is complete, so that a run that was killed leaves none that looks it.
        let draft = format!("{}_draft", self.name);
        let create = [
            format!("DROP DATABASE IF EXISTS {draft}"),
            format!("CREATE DATABASE {draft} TEMPLATE template0"),
        ];
        server.execute("postgres", &create).await?;
        match self.kind {
            Kind::Giant { mb } => server.execute(&draft, &giant(mb * MB)).await?,
            Kind::Mixed { mb } => make_mixed(server, &draft, mb * MB).await?,
            Kind::Tables { count } => server.execute(&draft, &tables(count)).await?,
        }
        // Frozen, with hint bits and statistics: no run does for the next one what that would else do itself.
        server.execute(&draft, &["VACUUM (FREEZE, ANALYZE)".to_owned(), "CHECKPOINT".to_owned()]).await?;
        server.execute("postgres", &[format!("ALTER DATABASE {draft} RENAME TO {}", self.name)]).await
    }
}

/// pgbench's table of accounts as it is after use: the balances differ.
fn giant(bytes: u64) -> Vec<String> {
    // Measured: 61 rows of 121 bytes and their pointers fill a page.
    let rows = bytes / 8192 * 61;
    vec![
        "CREATE TABLE accounts (aid int NOT NULL, bid int, abalance int, filler char(84)) WITH (fillfactor = 100)"
            .to_owned(),
        format!(
            "INSERT INTO accounts SELECT g, (g - 1) / 100000 + 1, floor(random() * 10000)::int - 5000, '' \
             FROM generate_series(1, {rows}) g"
        ),
        "ALTER TABLE accounts ADD PRIMARY KEY (aid)".to_owned(),
    ]
}

/// Fills on two connections: the server has two cores.
async fn make_mixed(server: &Server, database: &str, bytes: u64) -> Result<(), BenchError> {
    let tables = mixed(bytes);
    let (even, odd): (Vec<_>, Vec<_>) = tables.into_iter().enumerate().partition(|(place, _)| place % 2 == 0);
    let statements =
        |half: Vec<(usize, Vec<String>)>| half.into_iter().flat_map(|(_, made)| made).collect::<Vec<_>>();
    let (even, odd) = (statements(even), statements(odd));
    tokio::try_join!(server.execute(database, &even), server.execute(database, &odd)).map(|_| ())
}

/// Text as compressors find it in databases: half of it from a small stock of phrases, half of it unlike anything
/// before, in an alphabet in which some letters are frequent. It costs the server little to make.
fn phrases(count: usize) -> String {
    let phrase = "translate(md5(random()::text), '0123456789abcdef', 'etaoin srhl  eta') || ' ' || \
                  (array['was shipped on time', 'the customer called again', 'payment received', 'waiting for approval', \
                  'returned to the warehouse', 'no further action', 'see the attached invoice', 'priority: high'])\
                  [1 + floor(random() * 8)::int]";
    vec![phrase; count].join(" || '. ' || ")
}

/// The statements that make each of the mixed tables, the largest first.
fn mixed(bytes: u64) -> Vec<Vec<String>> {
    let places = || (0..MIXED_TABLES).map(|place| SHRINK.powi(i32::try_from(place).unwrap_or(i32::MAX)));
    let whole: f64 = places().sum();
    places()
        .zip(0..)
        .map(|(share, place)| {
            let kind = &KINDS[place % KINDS.len()];
            let name = format!("{}_{place:02}", kind.name);
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a size"
            )]
            let rows = (bytes as f64 * share / whole / kind.row_bytes) as u64;
            let mut statements = vec![
                format!("CREATE TABLE {name} (id bigint NOT NULL, {})", kind.columns),
                format!("INSERT INTO {name} SELECT g, {} FROM generate_series(1, {rows}) g", kind.values()),
                format!("ALTER TABLE {name} ADD PRIMARY KEY (id)"),
            ];
            statements.extend(kind.index.map(|column| format!("CREATE INDEX ON {name} ({column})")));
            statements
        })
        .collect()
}

/// A kind of table.
struct MixedKind {
    name: &'static str,
    columns: &'static str,
    values: &'static str,
    /// Bytes of a row on disk, as measured.
    row_bytes: f64,
    index: Option<&'static str>,
}

impl MixedKind {
    fn values(&self) -> String {
        self.values.replace("PHRASES_5", &phrases(5)).replace("PHRASES_1", &phrases(1))
    }
}

const KINDS: [MixedKind; 5] = [
    MixedKind {
        name: "documents",
        columns: "title text, body text, note text",
        values: "PHRASES_1, PHRASES_5, CASE WHEN g % 5 = 0 THEN E'a\\ttab and a\\nline' END",
        row_bytes: 470.0,
        index: Some("title"),
    },
    MixedKind {
        name: "events",
        columns: "at timestamptz, kind text, payload jsonb",
        values: "timestamptz '2024-01-01' + g * interval '1.7 s', (array['view','cart','order','refund'])[1 + g % 4], \
                 jsonb_build_object('user', floor(random() * 1e6)::int, 'page', PHRASES_1, \
                 'tags', jsonb_build_array(g % 50, substr(md5(random()::text), 1, 8)), 'amount', round((random() * 1000)::numeric, 2))",
        row_bytes: 225.0,
        index: Some("at"),
    },
    MixedKind {
        name: "ledger",
        columns: "account int, booked numeric(20,6), balance numeric, rate double precision, fee numeric(8,2)",
        values: "floor(random() * 50000)::int, (random() * 1e9)::numeric(20,6), (random() * 1e12)::numeric, random(), \
                 (random() * 100)::numeric(8,2)",
        row_bytes: 93.0,
        index: Some("account"),
    },
    MixedKind {
        name: "blobs",
        columns: "digest bytea, content bytea",
        values: "sha256(g::text::bytea), decode(md5(random()::text) || md5(random()::text) || md5(random()::text) \
                 || repeat(md5(random()::text), 4), 'hex')",
        row_bytes: 190.0,
        index: None,
    },
    MixedKind {
        name: "visits",
        columns: "device uuid, started timestamptz, ended timestamptz, day date, pages smallint, mobile bool",
        values: "md5(random()::text)::uuid, timestamptz '2023-05-01' + g * interval '0.9 s', \
                 timestamptz '2023-05-01' + g * interval '0.9 s' + random() * interval '1 h', \
                 date '2023-05-01' + g % 700, floor(random() * 40)::int, random() < 0.6",
        row_bytes: 86.0,
        index: Some("device"),
    },
];

/// Many tables of a few rows, each with a key and a sequence.
fn tables(count: u64) -> Vec<String> {
    (0..count)
        .step_by(usize::try_from(TABLES_BATCH).unwrap_or(usize::MAX))
        .map(|first| {
            let last = (first + TABLES_BATCH).min(count) - 1;
            format!(
                "DO $$ BEGIN FOR n IN {first}..{last} LOOP \
                 EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, name text, at timestamptz DEFAULT now())', n); \
                 EXECUTE format('INSERT INTO t%s (name) SELECT md5(g::text) FROM generate_series(1, 10) g', n); \
                 END LOOP; END $$"
            )
        })
        .collect()
}
