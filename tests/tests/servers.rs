//! There is a PostgreSQL server of every major version, and what tests arrange there is what they ask for.

use permafrost_engine::pg::{Connection, Password, QueryError};
use permafrost_engine::sql::ident;
use permafrost_tests::support::servers::MAJORS;
use permafrost_tests::support::{Contents, Database, Server, unique};

/// What tests of fidelity create on every version.
const EXTENSIONS: [&str; 7] =
    ["btree_gist", "citext", "hstore", "ltree", "pg_trgm", "pgcrypto", "postgres_fdw"];

const TABLES: &str = "CREATE TABLE t AS SELECT i AS id, i::text AS value FROM generate_series(1, 100) AS i; \
                      CREATE SCHEMA s; CREATE TABLE s.u (id serial); INSERT INTO s.u SELECT FROM t";

/// Each version answers as itself, and has the extensions that come with PostgreSQL.
#[tokio::test]
async fn every_major_version_is_there_with_its_extensions() {
    for major in MAJORS {
        let server = Server::of(major).await;
        let name = format!("extensions-{}", unique());
        let mut session = server.connect("postgres").await;
        assert_eq!(session.server_version().major(), major);
        session
            .execute(&format!("CREATE DATABASE {}", ident(&name)))
            .await
            .expect("a database can be created");
        let mut inside = server.connect(&name).await;
        for extension in EXTENSIONS {
            let created = inside.execute(&format!("CREATE EXTENSION {extension}")).await;
            created.unwrap_or_else(|error| panic!("{extension} on {major}: {error:?}"));
        }
        let offered = server.query_in(&name, "SELECT 1 FROM pg_available_extensions").await;
        assert!(offered.len() > EXTENSIONS.len(), "{major} offers {}", offered.len());
        inside.close().await;
        session
            .execute(&format!("DROP DATABASE {}", ident(&name)))
            .await
            .expect("the database can be dropped");
        session.close().await;
    }
}

/// A standby has what its primary has written, and takes no writes.
#[tokio::test]
async fn a_standby_follows_and_only_reads() {
    let (standby, primary) = (Server::standby_of(15).await, Server::of(15).await);
    let name = format!("standby-{}", unique());
    let mut session = primary.connect("postgres").await;
    session.execute(&format!("CREATE DATABASE {}", ident(&name))).await.expect("a database can be created");
    let mut inside = primary.connect(&name).await;
    inside.execute(TABLES).await.expect("the tables can be created");
    inside.close().await;
    standby.has_caught_up(&primary).await;
    let mut copy = standby.connect(&name).await;
    let rows = copy.query("SELECT count(*) FROM t", &[]).await.expect("a standby can be read");
    assert_eq!(rows[0].get(0), Some("100"));
    assert_eq!(sqlstate(copy.execute("DELETE FROM t").await).as_deref(), Some("25006"));
    copy.close().await;
    session.execute(&format!("DROP DATABASE {}", ident(&name))).await.expect("the database can be dropped");
    session.close().await;
}

/// On every version the owner's tables can be read by the backup account and changed by the owner alone; the same
/// rows give the same hashes on all; and nothing stays behind.
#[tokio::test]
async fn a_database_of_a_tests_own_is_alike_on_every_version() {
    let mut relations = None;
    for major in MAJORS {
        let database = Database::create_on(Server::of(major).await, "version").await;
        database.run_as_owner(TABLES).await;
        let mut options = database.server.superuser(&database.name);
        options.user.clone_from(&database.backup.user);
        options.password = Some(Password::new(database.backup.password.clone()));
        let mut reader = Connection::connect(&options).await.expect("the backup account can log in");
        let rows = reader.query("SELECT count(*), sum(last_value) FROM s.u, s.u_id_seq", &[]).await;
        let rows = rows.unwrap_or_else(|error| panic!("{major}: {error:?}"));
        assert_eq!(rows[0].get(0), Some("100"));
        assert_eq!(sqlstate(reader.execute("DELETE FROM t").await).as_deref(), Some("42501"), "{major}");

        let contents = Contents::on(&database.server, &database.name).await;
        assert_eq!(contents.total_rows(), 200);
        let first = relations.get_or_insert_with(|| contents.relations.clone());
        assert_eq!(*first, contents.relations, "{major}");

        // The reader's session is still open.
        let (server, name) = (database.server.clone(), database.name.clone());
        drop(database);
        assert!(!server.has_database(&name).await, "{major} still has {name}");
    }
}

fn sqlstate(result: Result<(), QueryError>) -> Option<String> {
    result.err()?.sqlstate().map(str::to_owned)
}
