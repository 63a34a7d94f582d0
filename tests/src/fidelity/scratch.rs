//! A database of a test's own on any server, gone when the test ends.

use permafrost_engine::pg::Connection;
use permafrost_engine::sql::{ident, literal};

use super::{Place, Server, script};
use crate::support::unique;

/// A database that is dropped with the value, whether the test passed or not.
#[derive(Debug)]
pub struct Scratch {
    place: Place,
}

impl Scratch {
    /// A database with every kind of object that the server's version has.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn with_everything(server: &Server) -> Self {
        let scratch = Self::empty(server).await;
        let mut connection = scratch.place.connect().await;
        script::fill(&mut connection, server.major).await;
        connection.close().await;
        scratch
    }

    /// A database without anything in it.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn empty(server: &Server) -> Self {
        script::prepare(server).await;
        let scratch = Self::to_come(server);
        let mut connection = Place::on(server, "postgres").connect().await;
        let create = format!(
            "CREATE DATABASE {} OWNER fidelity_owner TEMPLATE template0 ENCODING 'UTF8' \
             LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
            ident(&scratch.place.database)
        );
        connection.execute(&create).await.expect("a database can be created");
        connection.close().await;
        scratch
    }

    /// A database that somebody else is going to make; the server is given what the scripts speak of beforehand.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn reserved(server: &Server) -> Self {
        script::prepare(server).await;
        Self::to_come(server)
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    fn to_come(server: &Server) -> Self {
        Self { place: Place::on(server, &format!("fidelity-{}-{}", server.major, unique())) }
    }

    async fn remove(place: &Place) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let name = literal(&place.database);
        let mut server = Connection::connect(&Place::on(&place.server, "postgres").options()).await?;
        // A database with a subscription cannot be dropped.
        let subscriptions = format!(
            "SELECT s.subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = {name}"
        );
        let subscriptions = server.query(&subscriptions, &[]).await?;
        if !subscriptions.is_empty() {
            let mut inside = Connection::connect(&place.options()).await?;
            for subscription in subscriptions {
                let subscription = ident(subscription.get(0).unwrap_or_default());
                inside.execute(&format!("ALTER SUBSCRIPTION {subscription} DISABLE")).await?;
                inside.execute(&format!("ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE)")).await?;
                inside.execute(&format!("DROP SUBSCRIPTION {subscription}")).await?;
            }
            inside.close().await;
        }
        let others = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {name}");
        server.execute(&others).await?;
        server.execute(&format!("DROP DATABASE IF EXISTS {}", ident(&place.database))).await?;
        server.close().await;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let place = self.place.clone();
        // A runtime of its own: the test's is busy ending the test.
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(Self::remove(&place))
        })
        .join();
        if !std::thread::panicking() {
            removed.expect("the removal does not panic").expect("what the test made can be removed");
        }
    }
}
