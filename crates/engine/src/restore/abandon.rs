//! Dropping what a failed restore has built.

use permafrost_domain::JobId;

use super::{connect_to_server, temporary_name};
use crate::error::EngineError;
use crate::login::Login;
use crate::pg::Connection;
use crate::sql;

/// Drops the database that the restore `job` was building, if it is there.
///
/// # Errors
/// The server refuses.
pub async fn abandon(login: &Login, job: JobId) -> Result<(), EngineError> {
    let mut server = connect_to_server(login).await?;
    drop_database(&mut server, &temporary_name(job)).await?;
    server.close().await;
    Ok(())
}

/// Ends the sessions of a database and drops it.
pub(super) async fn drop_database(server: &mut Connection, name: &str) -> Result<(), EngineError> {
    let failed =
        || EngineError::query_on("drop the database of a failed restore", format!("database {name}"));
    let force = if server.server_version().num() >= 130_000 {
        " WITH (FORCE)"
    } else {
        server
            .query(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = $1",
                &[Some(name)],
            )
            .await
            .map_err(failed())?;
        ""
    };
    server.execute(&format!("DROP DATABASE IF EXISTS {}{force}", sql::ident(name))).await.map_err(failed())
}
