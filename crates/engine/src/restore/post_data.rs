//! Carrying out what comes after the data, also where a statement outlives a function.
//!
//! A step is one message to the server: a transaction of the step's statements and its marker. Once the server has
//! it, it needs no client any more: it works through to the COMMIT, and only then finds out that nobody listens. So
//! where a function's time is up it answers "running" and leaves, the server goes on, and the next run finds the
//! marker.
//!
//! Race: two runs of one group (a retry whose forerunner lives, a doubled event, a statement left behind) must not
//! do the same at once. A session holds the group's advisory lock before it sends anything; the lock lives as long as
//! the session, which for a statement left behind is until its end. Whoever does not get the lock waits, and answers
//! "running". A session that got it reads the markers then, not before.
//!
//! A statement that was left behind and failed has told nobody: neither lock nor marker is there, and it is started
//! again. How often it was left is written down, so that this comes to an end.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::Entry;
use tokio::time::{Instant, sleep, sleep_until};

use super::definitions::{Definitions, describe, marker, once, roll_back};
use super::levels::{Group, Step};
use super::skipped::Skipped;
use super::{Restore, marker_table};
use crate::error::EngineError;
use crate::pg::{Connection, QueryError};
use crate::sql;

/// How often somebody is asked whether to go on, and whether a lock is free.
const TICK: Duration = Duration::from_millis(500);
/// How often a statement is left to the server before it counts as failed.
const MOST_STARTS: u64 = 2;
/// The first key of our advisory locks: "Perm".
const LOCK_CLASS: i32 = 0x5065_726D;

/// How far a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostDataState {
    /// Everything is done.
    Done,
    /// Time was up: the server may still be at it. Ask again.
    Running,
}

/// Carries out group `group` of level `level` (both from 1), as far as it comes within `limit`. `watch` is asked
/// twice a second whether to go on, and stops the run with an error; a statement that is under way then goes on, until
/// its database is dropped.
///
/// # Errors
/// An object cannot be restored; the fault names it. Or there is no such group.
pub async fn run_post_data(
    restore: &Restore<'_>,
    level: usize,
    group: usize,
    limit: Duration,
    watch: &mut impl AsyncFnMut() -> Result<(), EngineError>,
) -> Result<PostDataState, EngineError> {
    let deadline = Instant::now() + limit;
    let levels = restore
        .post_data_levels()
        .map_err(|error| EngineError::from(Fault::new(Code::RestoreFailed, error.to_string())))?;
    let found = level.checked_sub(1).and_then(|level| levels.get(level));
    let steps =
        found.zip(group.checked_sub(1)).and_then(|(groups, group)| groups.get(group)).ok_or_else(|| {
            let message = format!("the restore has no group {group} of a level {level}");
            EngineError::from(Fault::new(Code::InvalidRequest, message))
        })?;
    let mut connection = restore.login_to_new().connect().await?;
    let definitions = Definitions::settle(restore, &mut connection).await?;
    if !lock(&mut connection, level, group, deadline, watch).await? {
        connection.close().await;
        return Ok(PostDataState::Running);
    }
    give_memory(&mut connection).await?;
    let done = markers_of(restore, &mut connection, steps).await?;
    let skipped = Skipped::read(restore, &mut connection).await?;
    let mut run = Run { restore, definitions, connection, skipped, deadline };
    for step in steps.iter().filter(|step| !done.contains_key(&step.marker())) {
        if done.get(&left(step)).is_some_and(|left| *left >= MOST_STARTS) {
            return Err(failed_unseen(step));
        }
        if Instant::now() >= deadline {
            return Ok(PostDataState::Running);
        }
        if run.carry_out(step, watch).await? == PostDataState::Running {
            // The session is busy; what it works at goes on when it is dropped.
            drop(run);
            note_left(restore, step).await?;
            return Ok(PostDataState::Running);
        }
    }
    run.connection.close().await;
    Ok(PostDataState::Done)
}

/// Takes the group's lock for the session; false where somebody else has it until the deadline.
async fn lock(
    connection: &mut Connection,
    level: usize,
    group: usize,
    deadline: Instant,
    watch: &mut impl AsyncFnMut() -> Result<(), EngineError>,
) -> Result<bool, EngineError> {
    let failed = || EngineError::query("lock a group of definitions");
    // Levels are far fewer than 500,000, and a level has at most 4,000 groups.
    let query = format!(
        "SELECT pg_catalog.pg_try_advisory_lock({LOCK_CLASS}, {})",
        (level % 500_000) * 4_000 + group
    );
    loop {
        watch().await?;
        let rows = connection.query(&query, &[]).await.map_err(failed())?;
        if rows.first().is_some_and(|row| row.get(0) == Some("t")) {
            return Ok(true);
        }
        if Instant::now() + TICK >= deadline {
            return Ok(false);
        }
        sleep(TICK).await;
    }
}

/// Lets index builds use 256 MB where the server has memory and its own setting is the default or less: a server that
/// was given 1 GB of buffers can afford it several times.
async fn give_memory(connection: &mut Connection) -> Result<(), EngineError> {
    let query = "SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', false) \
        FROM pg_catalog.pg_settings own, pg_catalog.pg_settings shared \
        WHERE own.name = 'maintenance_work_mem' AND own.setting::pg_catalog.int8 < 262144 \
          AND shared.name = 'shared_buffers' AND shared.setting::pg_catalog.int8 >= 131072";
    connection.query(query, &[]).await.map_err(EngineError::query("set up the session"))?;
    Ok(())
}

/// The markers of `steps`: that they are done, and how often they were left.
async fn markers_of(
    restore: &Restore<'_>,
    connection: &mut Connection,
    steps: &Group<'_>,
) -> Result<HashMap<String, u64>, EngineError> {
    let failed = || EngineError::query("read the markers");
    let names = steps.iter().flat_map(|step| [step.marker(), left(step)]);
    let names: Vec<String> = names.map(|name| sql::literal(&name)).collect();
    let query =
        format!("SELECT step, rows FROM {} WHERE step IN ({})", marker_table(restore.job), names.join(", "));
    let rows = connection.query(&query, &[]).await.map_err(failed())?;
    rows.iter()
        .map(|row| Ok((row.get(0).unwrap_or_default().to_owned(), row.parse(1).map_err(failed())?)))
        .collect()
}

/// The name of the marker that counts how often a step was left.
fn left(step: &Step<'_>) -> String {
    format!("left {}", step.marker())
}

/// Writes down that a step was left to the server.
async fn note_left(restore: &Restore<'_>, step: &Step<'_>) -> Result<(), EngineError> {
    let mut connection = restore.login_to_new().connect().await?;
    let (table, name) = (marker_table(restore.job), sql::literal(&left(step)));
    let count = format!(
        "INSERT INTO {table} AS known VALUES ({name}, 1) ON CONFLICT (step) DO UPDATE SET rows = known.rows + 1"
    );
    connection.execute(&count).await.map_err(EngineError::query("write a marker"))?;
    connection.close().await;
    Ok(())
}

/// The fault of a step that was left to the server and came to no good end, as often as it may.
fn failed_unseen(step: &Step<'_>) -> EngineError {
    let object = match step {
        Step::Entry(entry) => describe(entry),
        Step::Analyze(_) => "the analysing of tables".to_owned(),
    };
    let message = format!("{object} was started {MOST_STARTS} times, and failed when nobody waited for it");
    Fault::new(Code::RestoreFailed, message).on(object).hint("See the server's log for its reason.").into()
}

/// One run over the steps of a group.
struct Run<'a> {
    restore: &'a Restore<'a>,
    definitions: Definitions<'a>,
    connection: Connection,
    skipped: Skipped,
    deadline: Instant,
}

impl<'a> Run<'a> {
    async fn carry_out(
        &mut self,
        step: &Step<'a>,
        watch: &mut impl AsyncFnMut() -> Result<(), EngineError>,
    ) -> Result<PostDataState, EngineError> {
        self.show(step).await?;
        let done = marker(self.restore, &step.marker());
        let entry = match step {
            Step::Entry(entry) => entry,
            Step::Analyze(_) => {
                let text = once(&self.of_tables(step).await?, &done);
                return match until(self.connection.execute(&text), self.deadline, watch).await? {
                    None => Ok(PostDataState::Running),
                    Some(result) => result
                        .map(|()| PostDataState::Done)
                        .map_err(EngineError::query("count and analyse the restored tables")),
                };
            }
        };
        let definition = match self.skipped.missing_for(self.definitions.index(), entry) {
            Some(missing) => {
                self.skipped.add(entry, missing);
                None
            }
            None => self.definitions.of(&mut self.connection, entry).await?,
        };
        if let Some(definition) = definition {
            match until(definition.restore(&mut self.connection, &done), self.deadline, watch).await? {
                None => return Ok(PostDataState::Running),
                Some(Ok(())) => return Ok(PostDataState::Done),
                // A forerunner's session that ended between our lock and its marker being seen.
                Some(Err(error)) if is_done_already(&error) => {
                    return roll_back(&mut self.connection).await.map(|()| PostDataState::Done);
                }
                Some(Err(error)) => {
                    self.skipped.tolerate(entry, error)?;
                    roll_back(&mut self.connection).await?;
                }
            }
        }
        let skipped = self.skipped.take_statements(self.restore);
        let written = self.connection.execute(&once(&skipped, &done)).await;
        written.map_err(EngineError::query("write a marker"))?;
        Ok(PostDataState::Done)
    }

    /// Names the step in `pg_stat_activity`, where a person looks for what takes so long.
    async fn show(&mut self, step: &Step<'_>) -> Result<(), EngineError> {
        let name = format!("permafrost {} {}", self.restore.job, step.marker());
        let query = format!("SET application_name = {}", sql::literal(&name));
        self.connection.execute(&query).await.map_err(EngineError::query("set up the session"))
    }

    /// The statements that analyse tables that are there.
    async fn of_tables(&mut self, step: &Step<'a>) -> Result<String, EngineError> {
        let index = self.definitions.index();
        let is_there = |entry: &Entry| {
            !self.skipped.contains(entry.dump_id) && self.skipped.missing_for(index, entry).is_none()
        };
        match step {
            Step::Analyze(tables) => {
                let present: Vec<&Entry> = tables.iter().copied().filter(|entry| is_there(entry)).collect();
                let mut names = Vec::new();
                for entry in present {
                    let name = entry.relation().to_sql();
                    names.push(self.definitions.decode(&mut self.connection, &name).await?);
                }
                let names = without_foreign(&mut self.connection, &names).await?;
                let statements: Vec<String> = names.iter().map(|name| format!("ANALYZE {name};")).collect();
                Ok(statements.concat())
            }
            Step::Entry(_) => Ok(String::new()),
        }
    }
}

/// Those of some tables that have no foreign table below them. Analysing one that has asks the foreign server, which
/// a restored database may have no way to.
async fn without_foreign(connection: &mut Connection, names: &[String]) -> Result<Vec<String>, EngineError> {
    let quoted = |name: &String| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let names: Vec<String> = names.iter().map(quoted).collect();
    let rows = connection
        .query(
            "WITH RECURSIVE above (oid) AS (\
               SELECT i.inhparent FROM pg_catalog.pg_inherits i \
                 JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relkind = 'f' \
               UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN above a ON a.oid = i.inhrelid) \
             SELECT name FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY u (name, n) \
              WHERE NOT EXISTS (SELECT FROM above WHERE oid = pg_catalog.to_regclass(name)) ORDER BY n",
            &[Some(&format!("{{{}}}", names.join(",")))],
        )
        .await
        .map_err(EngineError::query("look for foreign tables"))?;
    Ok(rows.iter().map(|row| row.get(0).unwrap_or_default().to_owned()).collect())
}

fn is_done_already(error: &QueryError) -> bool {
    matches!(error, QueryError::Server(server)
        if server.sqlstate == "23505" && server.table.as_deref() == Some("done"))
}

/// What `sent` comes to; `None` where time is up before.
async fn until<T>(
    sent: impl Future<Output = T>,
    deadline: Instant,
    watch: &mut impl AsyncFnMut() -> Result<(), EngineError>,
) -> Result<Option<T>, EngineError> {
    let mut sent = pin!(sent);
    loop {
        let tick = deadline.min(Instant::now() + TICK);
        tokio::select! {
            biased;
            result = &mut sent => return Ok(Some(result)),
            () = sleep_until(tick) => {}
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        watch().await?;
    }
}
