use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::PgRow;
use sqlx::{SqlSafeStr as _, SqlStr};
use tokio::time::Instant;

use super::row::{Found, Row};
use super::value::Value;
use super::{Part, migrate};
use crate::{Cause, Error, PostgresUrl, Result};

pub(crate) mod claim;
mod connections;
mod lease;
mod look;
mod options;
#[cfg(test)]
mod tests;
mod transaction;

use connections::Connections;

pub use look::Look;
pub(crate) use transaction::Transaction;

/// Connections that read at once.
const READERS: u32 = 4;
/// How long a look at the server may take before it counts as away.
const LOOK: Duration = Duration::from_millis(1500);
/// How long trouble of the last write is believed in that a look at the server does not show, such as a full disk.
const BELIEVED: Duration = Duration::from_secs(30);
/// How often a database that another manager has taken is asked for.
const RETAKE: Duration = Duration::from_secs(10);

/// One schema of a PostgreSQL database.
///
/// Every wait has an end: for a connection of ours, for the server to answer, for each statement (by the server, and a
/// little later by us, for a server that is no longer there to say so), and for locks.
#[derive(Debug)]
pub(crate) struct Postgres {
    part: Part,
    readers: Connections,
    /// One connection: changes of the main part follow each other, as they do in SQLite.
    writer: Connections,
    /// Looks whether the server is there; waits for nobody of ours.
    probe: Connections,
    /// What the last write met, and when.
    last: Mutex<Option<(Cause, Instant)>>,
}

// === impl Postgres ===

impl Postgres {
    /// Connects, takes the database for this manager alone, and brings the tables up to date.
    pub(super) async fn open(url: &PostgresUrl, part: Part) -> Result<Self> {
        let name = part.postgres_name();
        let database = Self {
            part,
            readers: Connections::new(name, options::read(url, part), READERS),
            writer: Connections::new(name, options::write(url, part), 1).claiming(part == Part::Main),
            probe: Connections::new(name, options::write(url, part), 1),
            last: Mutex::new(None),
        };
        // First, so that only one manager changes the tables.
        drop(database.writer.lease().await?);
        migrate::postgres(url, part).await?;
        Ok(database)
    }

    pub(super) async fn fetch(&self, sql: SqlStr, args: &[Value<'_>]) -> Result<Vec<Row>> {
        let mut lease = self.readers.lease().await.map_err(|error| self.note(error))?;
        let rows = match lease.fetch(sql.clone(), args).await {
            // It was idle, and the server has gone since: a read can simply be done again.
            Err(_) if lease.is_stale() => {
                lease = self.readers.renew(lease).await.map_err(|error| self.note(error))?;
                lease.fetch(sql, args).await
            }
            rows => rows,
        };
        Ok(self.rows(rows.map_err(|error| self.error(&error))?))
    }

    /// Begins to read as of one moment.
    pub(super) async fn read(&self) -> Result<Transaction<'_>> {
        Transaction::begin(self, &self.readers, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    /// Begins a change.
    pub(super) async fn write(&self) -> Result<Transaction<'_>> {
        Transaction::begin(self, &self.writer, "BEGIN").await
    }

    fn rows(&self, rows: Vec<PgRow>) -> Vec<Row> {
        rows.into_iter().map(|row| Row { database: self.name(), found: Found::Postgres(row) }).collect()
    }

    /// Names the database in an error, and remembers the trouble for [`health`](Self::health).
    fn error(&self, error: &sqlx::Error) -> Error {
        self.note(Error::from_sqlx(self.name(), error))
    }

    fn note(&self, error: Error) -> Error {
        if error.is_outage() {
            *self.last.lock() = Some((error.cause, Instant::now()));
        }
        error
    }

    /// Whether a write would work now; none if so.
    pub(super) async fn health(&self) -> Option<Cause> {
        match tokio::time::timeout(LOOK, self.look()).await {
            Err(_) => Some(Cause::Away),
            Ok(Some(cause)) => Some(cause),
            Ok(None) => self.hidden_trouble().await,
        }
    }

    /// Trouble that only a write shows: a full disk, or another manager that has taken the database.
    async fn hidden_trouble(&self) -> Option<Cause> {
        let (cause, at) = (*self.last.lock())?;
        let is_believed = match cause {
            Cause::Full => at.elapsed() < BELIEVED,
            Cause::Taken if at.elapsed() < RETAKE => true,
            // Whether the other one is gone; this waits for it a few seconds.
            Cause::Taken => self.writer.lease().await.map_err(|error| self.note(error)).is_err(),
            _ => false,
        };
        if !is_believed {
            *self.last.lock() = None;
        }
        is_believed.then_some(cause)
    }

    async fn look(&self) -> Option<Cause> {
        let mut lease = match self.probe.lease().await {
            Ok(lease) => lease,
            Err(error) => return Some(error.cause),
        };
        let sql = "SELECT current_setting('transaction_read_only') = 'on' AS read_only";
        let rows = match lease.fetch(sql.into_sql_str(), &[]).await {
            Err(_) if lease.is_stale() => match self.probe.renew(lease).await {
                Ok(mut fresh) => fresh.fetch(sql.into_sql_str(), &[]).await,
                Err(error) => return Some(error.cause),
            },
            rows => rows,
        };
        let read_only =
            rows.map(|rows| self.rows(rows).first().is_some_and(|row| row.get("read_only").unwrap_or(true)));
        match read_only {
            Ok(false) => None,
            Ok(true) => Some(Cause::ReadOnly),
            Err(error) => Some(Error::from_sqlx(self.name(), &error).cause),
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.part.postgres_name()
    }

    pub(super) async fn close(&self) {
        tokio::join!(self.readers.close(), self.writer.close(), self.probe.close());
    }
}
