//! Restoring entries of the table of contents by statements of our own, as pg_restore would send them.
//!
//! pg_restore stops at the first failure or goes on after every one, tells them apart by text alone, and knows no
//! marker. Here each entry's failure is the server's own error, and a statement and its marker are one transaction.

use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::{Entry, Text, TocIndex, TransactionUse};

use super::Restore;
use super::skipped::Skipped;
use crate::error::EngineError;
use crate::pg::{Connection, QueryError};
use crate::session;
use crate::sql;

/// Entries that are tried in one transaction; where it fails, one by one.
const BATCH_ENTRIES: usize = 100;
/// Bytes of statements that are tried in one transaction.
const BATCH_BYTES: usize = 256 * 1024;

/// How statements of the archive are sent on a connection.
#[derive(Debug)]
pub(super) struct Definitions<'a> {
    index: &'a TocIndex<'a>,
    /// The encoding of the archive's texts.
    encoding: String,
    /// Whether tables may have the oid column of old, which an archive tells apart from the definition.
    knows_oids: bool,
    /// Whether it takes FUNCTION where version 10 knows PROCEDURE alone.
    knows_functions: bool,
    /// Whether partitioned tables have an access method, for partitions that are made later.
    knows_partitioned_methods: bool,
}

/// The statements of one entry.
#[derive(Debug)]
pub(super) struct Definition<'a> {
    pub(super) entry: &'a Entry,
    /// In this order; to be sent alone where no transaction may be around them.
    parts: Vec<String>,
    transaction: TransactionUse,
}

impl<'a> Definitions<'a> {
    /// Puts a connection under the settings of pg_restore.
    ///
    /// Nothing is told to the client but errors: a notice is sent at once, and sending it to a client that has gone
    /// would end the session, and with it a statement that is to outlive the client.
    ///
    /// # Errors
    /// The server's refusal.
    pub(super) async fn settle(
        restore: &'a Restore<'_>,
        connection: &mut Connection,
    ) -> Result<Self, EngineError> {
        session::settle(connection).await?;
        let version = connection.server_version().num();
        let mut settings = vec![
            ("check_function_bodies", "off"),
            ("xmloption", "content"),
            ("client_min_messages", "error"),
            ("default_transaction_read_only", "off"),
        ];
        if version >= 140_000 {
            settings.push(("client_connection_check_interval", "0"));
        }
        let set: Vec<String> =
            settings.iter().map(|(name, value)| format!("SET {name} = '{value}'")).collect();
        let failed = || EngineError::query("set up the session");
        connection.execute(&set.join("; ")).await.map_err(failed())?;
        let encoding = restore.toc().entries.iter().find(|entry| entry.desc == "ENCODING");
        let encoding = encoding.and_then(|entry| entry.defn.as_ref());
        let encoding = encoding.map(|defn| defn.to_string_lossy().into_owned()).unwrap_or_default();
        let encoding = encoding.split('\'').nth(1).unwrap_or("UTF8").to_owned();
        let definitions = Self {
            index: &restore.index,
            encoding,
            knows_oids: version < 120_000,
            knows_functions: version >= 110_000,
            knows_partitioned_methods: Self::know_partitioned_methods(connection),
        };
        for entry in restore
            .toc()
            .entries
            .iter()
            .filter(|entry| entry.desc == "STDSTRINGS" || entry.desc == "SEARCHPATH")
        {
            if let Some(defn) = &entry.defn {
                let statement = definitions.decode(connection, defn).await?;
                connection.execute(&statement).await.map_err(failed())?;
            }
        }
        Ok(definitions)
    }

    /// Whether partitioned tables have an access method on this server.
    pub(super) fn know_partitioned_methods(connection: &Connection) -> bool {
        connection.server_version().num() >= 170_000
    }

    pub(super) fn index(&self) -> &'a TocIndex<'a> {
        self.index
    }

    /// The statements of `entry`; `None` where it needs none.
    pub(super) async fn of(
        &self,
        connection: &mut Connection,
        entry: &'a Entry,
    ) -> Result<Option<Definition<'a>>, EngineError> {
        let statements = self.index.statements(entry).map_err(|error| {
            EngineError::from(Fault::new(Code::RestoreFailed, error.to_string()).on(describe(entry)))
        })?;
        if statements.parts.is_empty() {
            return Ok(None);
        }
        let mut parts = Vec::with_capacity(statements.parts.len() + 1);
        if self.knows_oids && entry.desc == "TABLE" {
            parts.push(format!("SET LOCAL default_with_oids = {};", entry.with_oids));
        }
        let unknown = entry.access_method_statement().filter(|_| !self.knows_partitioned_methods);
        for part in statements.parts.iter().filter(|part| Some(*part) != unknown.as_ref()) {
            let part = self.decode(connection, part).await?;
            parts.push(if self.knows_functions { part } else { with_procedures(entry, part) });
        }
        Ok(Some(Definition { entry, parts, transaction: statements.transaction }))
    }

    /// A text of the archive in our own encoding. The server knows all of them, and is asked for what is not ASCII.
    pub(super) async fn decode(
        &self,
        connection: &mut Connection,
        text: &Text,
    ) -> Result<String, EngineError> {
        let bytes = text.as_bytes();
        if let Ok(text) = std::str::from_utf8(bytes)
            && (text.is_ascii() || ["UTF8", "SQL_ASCII"].contains(&self.encoding.as_str()))
        {
            return Ok(text.to_owned());
        }
        let hex = hex::encode(bytes);
        let rows = connection
            .query(
                "SELECT pg_catalog.convert_from(pg_catalog.decode($1, 'hex'), $2::pg_catalog.name)",
                &[Some(&hex), Some(&self.encoding)],
            )
            .await
            .map_err(EngineError::query("read a text of the table of contents"))?;
        Ok(rows.first().and_then(|row| row.get(0)).unwrap_or_default().to_owned())
    }

    /// Restores `entries` one after the other, each once. What the target does not know is skipped, with what
    /// depends on it, where `skipped` tolerates that.
    pub(super) async fn restore_all(
        &self,
        connection: &mut Connection,
        entries: impl Iterator<Item = &'a Entry>,
        skipped: &mut Skipped,
    ) -> Result<(), EngineError> {
        let mut batch: Vec<Definition<'a>> = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            let Some(definition) = self.of(connection, entry).await? else { continue };
            bytes += definition.parts.iter().map(String::len).sum::<usize>();
            let alone = definition.transaction == TransactionUse::Outside;
            if alone {
                self.restore_batch(connection, std::mem::take(&mut batch), skipped).await?;
            }
            batch.push(definition);
            if alone || batch.len() >= BATCH_ENTRIES || bytes >= BATCH_BYTES {
                self.restore_batch(connection, std::mem::take(&mut batch), skipped).await?;
                bytes = 0;
            }
        }
        self.restore_batch(connection, batch, skipped).await
    }

    async fn restore_batch(
        &self,
        connection: &mut Connection,
        batch: Vec<Definition<'a>>,
        skipped: &mut Skipped,
    ) -> Result<(), EngineError> {
        let is_whole =
            batch.iter().all(|definition| skipped.missing_for(self.index, definition.entry).is_none());
        if batch.len() > 1 && is_whole {
            let text: Vec<String> = batch.iter().map(Definition::text).collect();
            match connection.execute(&format!("BEGIN;\n{}\n;COMMIT", text.join("\n;"))).await {
                Ok(()) => return Ok(()),
                // Which of them it was is found below.
                Err(QueryError::Server(error)) if is_about_the_object(&error.sqlstate) => {
                    roll_back(connection).await?;
                }
                Err(error) => return Err(EngineError::query("restore definitions")(error)),
            }
        }
        for definition in batch {
            let entry = definition.entry;
            if let Some(missing) = skipped.missing_for(self.index, entry) {
                skipped.add(entry, missing);
                continue;
            }
            if let Err(error) = definition.restore(connection, "").await {
                roll_back(connection).await?;
                skipped.tolerate(entry, error)?;
            }
        }
        Ok(())
    }
}

impl Definition<'_> {
    fn text(&self) -> String {
        self.parts.join("\n")
    }

    /// Sends the statements, and `behind` in the same transaction, in one message: once the server has it, it needs
    /// no client any more. Where no transaction may be around the statements, `behind` follows them.
    pub(super) async fn restore(&self, connection: &mut Connection, behind: &str) -> Result<(), QueryError> {
        if self.transaction == TransactionUse::Outside {
            for part in &self.parts {
                match connection.execute(part).await {
                    // An earlier run came as far as this, and not to its marker.
                    Err(error) if error.sqlstate() == Some("42710") => {}
                    other => other?,
                }
            }
            return connection.execute(behind).await;
        }
        connection.execute(&once(&self.text(), behind)).await
    }
}

/// Statements and what stands `behind` them as one transaction in one message.
pub(super) fn once(statements: &str, behind: &str) -> String {
    // A definition may end with a comment, hence the line of its own.
    format!("BEGIN;\n{statements}\n;{behind}\n;COMMIT")
}

/// Ends a transaction that has failed.
pub(super) async fn roll_back(connection: &mut Connection) -> Result<(), EngineError> {
    connection.execute("ROLLBACK").await.map_err(EngineError::query("roll a transaction back"))
}

/// An entry's kind and name, for people: `FK CONSTRAINT shop.orders orders_customer_fkey`.
pub(super) fn describe(entry: &Entry) -> String {
    format!("{} {}", entry.desc, entry.relation())
}

/// Whether a failure says something of the object, and not of server, session or luck.
fn is_about_the_object(sqlstate: &str) -> bool {
    let passing = ["08", "53", "57", "58", "XX", "40"].iter().any(|class| sqlstate.starts_with(class));
    !passing && sqlstate != "55P03"
}

/// Whether a failure may come from an object that the server's version does not know: unknown syntax, kinds,
/// parameters, and names; a missing privilege is none of it.
pub(super) fn may_be_unknown_to_version(sqlstate: &str) -> bool {
    (sqlstate.starts_with("42") && sqlstate != "42501") || ["0A000", "22023", "3F000"].contains(&sqlstate)
}

/// A failure to restore `entry` as a fault that names it.
pub(super) fn entry_error(entry: &Entry, error: QueryError) -> EngineError {
    let object = describe(entry);
    match &error {
        QueryError::Server(server) if is_about_the_object(&server.sqlstate) && server.sqlstate != "42501" => {
            let fault =
                Fault::new(Code::RestoreFailed, format!("cannot restore {object}: {server}")).on(object);
            match &server.hint {
                Some(hint) => fault.hint(hint).into(),
                None => fault.into(),
            }
        }
        _ => EngineError::query_on(format!("restore {object}"), object)(error),
    }
}

/// The statement that says that `step` is done, with a number of rows.
pub(super) fn marker(restore: &Restore<'_>, step: &str) -> String {
    format!("INSERT INTO {} VALUES ({}, 0)", super::marker_table(restore.job), sql::literal(step))
}

/// A definition in the words of version 10: newer pg_dumps, which dump such servers too, say FUNCTION.
fn with_procedures(entry: &Entry, statement: String) -> String {
    if entry.desc == "OPERATOR" {
        statement.replacen("\n    FUNCTION = ", "\n    PROCEDURE = ", 1)
    } else if entry.desc == "EVENT TRIGGER" {
        statement.replacen("\n   EXECUTE FUNCTION ", "\n   EXECUTE PROCEDURE ", 1)
    } else {
        statement
    }
}
