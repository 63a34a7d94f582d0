//! The scripts in `tests/fidelity`, each for what one version added.
//!
//! A script is sent by section, one query each: what must not run in a transaction, or needs what is committed, has a
//! section of its own.

use permafrost_engine::pg::Connection;

use super::{Place, Server};

/// A line that begins a section.
const HEADING: &str = "-- ---- ";

/// What a server needs before it holds the database.
const SERVER: &str = include_str!("../../fidelity/server.sql");

/// The database, by the version that a script needs.
const BY_VERSION: [(u32, &str); 9] = [
    (10, include_str!("../../fidelity/10.sql")),
    (11, include_str!("../../fidelity/11.sql")),
    (12, include_str!("../../fidelity/12.sql")),
    (13, include_str!("../../fidelity/13.sql")),
    (14, include_str!("../../fidelity/14.sql")),
    (15, include_str!("../../fidelity/15.sql")),
    (16, include_str!("../../fidelity/16.sql")),
    (17, include_str!("../../fidelity/17.sql")),
    (18, include_str!("../../fidelity/18.sql")),
];

/// Makes the roles and the tablespace that the database speaks of, where they are missing.
///
/// # Panics
/// The server refuses.
pub async fn prepare(server: &Server) {
    let mut connection = Place::on(server, "postgres").connect().await;
    // Tests prepare the same server at the same time.
    run(&mut connection, "waiting", "SELECT pg_advisory_lock(7305)").await;
    let exists = connection.query("SELECT 1 FROM pg_tablespace WHERE spcname = 'fidelity_space'", &[]).await;
    if exists.expect("tablespaces can be listed").is_empty() {
        for section in sections(SERVER) {
            run(&mut connection, "server.sql", section).await;
        }
    }
    connection.close().await;
}

/// Makes every kind of object that a server of this version has, in an empty database.
///
/// # Panics
/// A statement fails; its section's title is named.
pub async fn fill(connection: &mut Connection, major: u32) {
    for (_, script) in BY_VERSION.iter().filter(|(version, _)| *version <= major) {
        for section in sections(script) {
            run(connection, script.lines().next().unwrap_or_default(), section).await;
        }
    }
}

/// The sections, each with its heading. What stands before the first is the script's own comment.
fn sections(script: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<usize> = script
        .match_indices(HEADING)
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || script.as_bytes()[at - 1] == b'\n')
        .collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([script.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| &script[start..end])
}

async fn run(connection: &mut Connection, script: &str, section: &str) {
    if let Err(error) = connection.execute(section).await {
        panic!("{error:?}, in {script:?}, {:?}", section.lines().next().unwrap_or_default());
    }
}
