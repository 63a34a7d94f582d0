//! The comparison tells databases apart: one that found nothing would prove nothing.

use permafrost_tests::fidelity::contents::Contents;
use permafrost_tests::fidelity::difference::between;
use permafrost_tests::fidelity::{Scratch, Server};

/// A change, and how the difference it makes begins.
const CHANGES: [(&str, &str); 23] = [
    ("UPDATE app.texts SET value = '' WHERE id = 1", "rows \"app\".\"texts\": changed"),
    ("UPDATE app.numbers SET \"double\" = 0 WHERE id = 3", "rows \"app\".\"numbers\": changed"),
    (
        "UPDATE app.floats_within SET place = '(0.1,0)' WHERE id = 1",
        "rows \"app\".\"floats_within\": changed",
    ),
    ("UPDATE app.lists SET numbers = '{1,NULL,3}' WHERE id = 1", "rows \"app\".\"lists\": changed"),
    (
        "UPDATE app.wide_rows SET raw = set_byte(raw, 4000000, 1) WHERE id = 1",
        "rows \"app\".\"wide_rows\": changed",
    ),
    ("INSERT INTO app.no_columns DEFAULT VALUES", "rows \"app\".\"no_columns\": changed"),
    ("INSERT INTO app.hashed_by_mood VALUES (NULL, 1)", "rows \"app\".\"hashed_by_mood\": changed"),
    ("DELETE FROM app.large WHERE id = 30000", "rows \"app\".\"large\": changed"),
    ("REFRESH MATERIALIZED VIEW app.unfilled", "rows \"app\".\"unfilled\": changed"),
    ("SELECT nextval('app.never_called')", "sequence \"app\".\"never_called\": changed"),
    ("SELECT lo_put(70003, 77, '\\x01')", "large object 70003: changed"),
    ("COMMENT ON LARGE OBJECT 70002 IS 'x'", "large object 70002: changed"),
    ("GRANT SELECT ON LARGE OBJECT 70003 TO PUBLIC", "large object 70003: changed"),
    ("SELECT lo_unlink(70004)", "large object 70004: missing"),
    ("COMMENT ON TABLE app.texts IS 'x'", "definition COMMENT app.TABLE texts: changed"),
    ("GRANT SELECT (two) ON app.child TO PUBLIC", "definition ACL app.COLUMN child.two: extra"),
    ("ALTER TABLE app.elsewhere SET TABLESPACE pg_default", "definition TABLE app.elsewhere: changed"),
    ("ALTER VIEW theirs.view_too OWNER TO fidelity_reader", "definition VIEW theirs.view_too: changed"),
    ("ALTER TABLE app.lists ENABLE TRIGGER always_one", "definition TRIGGER app.lists always_one: changed"),
    (
        "DROP POLICY never_secret ON app.secrets_of_many",
        "definition POLICY app.secrets_of_many never_secret: missing",
    ),
    ("ALTER PUBLICATION no_tables SET (publish = 'delete')", "definition PUBLICATION -.no_tables: changed"),
    (
        "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) FROM fidelity_reader",
        "definition ACL pg_catalog.",
    ),
    ("{database} SET statement_timeout = 0", "the database's settings: changed"),
];

/// A value, a row's absence, a comment, a grant, an owner, a position: each is a difference, and the only one.
#[tokio::test]
async fn every_change_is_found() {
    let database = Scratch::with_everything(&Server::of(15).await).await;
    let mut before = Contents::of(database.place()).await;
    assert_eq!(between(&before, &Contents::of(database.place()).await), [], "nothing has changed");
    for (change, expected) in CHANGES {
        let alter_database = format!("ALTER DATABASE \"{}\"", database.place().database);
        let mut connection = database.place().connect().await;
        // Triggers that write elsewhere would make a second difference; event triggers may not hear of the role.
        if change.starts_with("UPDATE") {
            connection
                .execute("SET session_replication_role = replica")
                .await
                .expect("triggers can be kept quiet");
        }
        let done = connection.execute(&change.replace("{database}", &alter_database)).await;
        done.unwrap_or_else(|error| panic!("{error}: {change}"));
        connection.close().await;
        let after = Contents::of(database.place()).await;
        let differences: Vec<String> = between(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(differences.len(), 1, "{change}: {differences:#?}");
        assert!(differences[0].starts_with(expected), "{change}: {differences:#?}");
        before = after;
    }
}
