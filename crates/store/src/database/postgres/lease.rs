use std::io;
use std::time::Duration;

use sqlx::SqlStr;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::connections::{Connections, Idle};
use crate::Cause;
use crate::database::value::{Value, encode};

/// A connection that one caller has. It goes back to the others only if nothing is in doubt about it.
pub(super) struct Lease<'c> {
    from: &'c Connections,
    connection: Option<PgConnection>,
    slot: Option<SemaphorePermit<'c>>,
    bound: Duration,
    /// Whether it has been idle and no statement has succeeded since.
    reused: bool,
    /// Whether an answer is outstanding, or the last one was the end of the connection.
    doubtful: bool,
    /// Whether a transaction is open.
    pub(super) open: bool,
}

// === impl Lease ===

impl<'c> Lease<'c> {
    pub(super) fn new(
        from: &'c Connections,
        connection: PgConnection,
        slot: SemaphorePermit<'c>,
        bound: Duration,
        reused: bool,
    ) -> Self {
        Self { from, connection: Some(connection), slot: Some(slot), bound, reused, doubtful: false, open: false }
    }

    pub(super) async fn fetch(&mut self, sql: SqlStr, args: &[Value<'_>]) -> sqlx::Result<Vec<PgRow>> {
        self.fetch_with(sql, encode(args)?).await
    }

    pub(super) async fn fetch_with(&mut self, sql: SqlStr, arguments: PgArguments) -> sqlx::Result<Vec<PgRow>> {
        let query = sqlx::query_with(sql, arguments);
        let (connection, bound) = self.begin()?;
        let done = timeout(bound, query.fetch_all(connection)).await;
        self.end(done.unwrap_or_else(|_| Err(late())))
    }

    pub(super) async fn execute(&mut self, sql: SqlStr, args: &[Value<'_>]) -> sqlx::Result<u64> {
        let query = sqlx::query_with(sql, encode::<PgArguments>(args)?);
        let (connection, bound) = self.begin()?;
        let done = timeout(bound, query.execute(connection)).await;
        self.end(done.unwrap_or_else(|_| Err(late())).map(|done| done.rows_affected()))
    }

    /// Runs a statement without values, such as `BEGIN`.
    pub(super) async fn command(&mut self, sql: &'static str) -> sqlx::Result<()> {
        let (connection, bound) = self.begin()?;
        let done = timeout(bound, sqlx::raw_sql(sql).execute(connection)).await;
        self.end(done.unwrap_or_else(|_| Err(late())).map(drop))
    }

    pub(super) async fn roll_back(&mut self) -> sqlx::Result<()> {
        self.command("ROLLBACK").await?;
        self.open = false;
        Ok(())
    }

    /// Whether the last statement failed because the server had gone since the connection was used before.
    pub(super) const fn is_stale(&self) -> bool {
        self.reused && self.doubtful
    }

    /// Whether it is not known what became of the last statement, or the connection ended with it.
    pub(super) const fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Closes the connection; its place.
    pub(super) fn give_up(mut self) -> SemaphorePermit<'c> {
        self.doubtful = true;
        match self.slot.take() {
            Some(slot) => slot,
            None => unreachable!("taken here only, and this consumes it"),
        }
    }

    fn begin(&mut self) -> sqlx::Result<(&mut PgConnection, Duration)> {
        // Until the answer is there: the caller may go away before.
        self.doubtful = true;
        self.connection.as_mut().map(|connection| (connection, self.bound)).ok_or(sqlx::Error::PoolClosed)
    }

    fn end<T>(&mut self, done: sqlx::Result<T>) -> sqlx::Result<T> {
        match &done {
            Ok(_) => (self.reused, self.doubtful) = (false, false),
            // One that became read-only may lead to a server that is no longer the first one: the next leads there anew.
            Err(error) => self.doubtful = matches!(Cause::of(error), Cause::Away | Cause::ReadOnly | Cause::Refused),
        }
        done
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.doubtful
        {
            self.from.idle.lock().push(Idle { connection, open: self.open });
        }
    }
}

/// The server did not answer, not even that the statement took too long.
fn late() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer"))
}
