use std::time::Duration;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};
use tokio::time::Instant;

use super::Postgres;
use super::connections::Connections;
use super::lease::Lease;
use crate::database::row::Row;
use crate::database::value::Value;
use crate::database::{Insert, Part};
use crate::{Error, Result};

/// How long a commit whose answer was lost is asked after.
const ASK: Duration = Duration::from_secs(5);
/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// A transaction of PostgreSQL. Dropped without [`commit`](Self::commit), it leaves no trace.
pub(crate) struct Transaction<'d> {
    database: &'d Postgres,
    lease: Lease<'d>,
}

// === impl Transaction ===

impl<'d> Transaction<'d> {
    pub(super) async fn begin(
        database: &'d Postgres,
        connections: &'d Connections,
        begin: &'static str,
    ) -> Result<Self> {
        let mut lease = connections.lease().await.map_err(|error| database.note(error))?;
        match lease.command(begin).await {
            Err(_) if lease.is_stale() => {
                lease = connections.renew(lease).await.map_err(|error| database.note(error))?;
                lease.command(begin).await
            }
            begun => begun,
        }
        .map_err(|error| database.error(&error))?;
        lease.open = true;
        Ok(Self { database, lease })
    }

    pub(crate) async fn fetch(&mut self, sql: SqlStr, args: &[Value<'_>]) -> Result<Vec<Row>> {
        let rows = self.lease.fetch(sql, args).await.map_err(|error| self.database.error(&error))?;
        Ok(self.database.rows(rows))
    }

    pub(crate) async fn execute(&mut self, sql: SqlStr, args: &[Value<'_>]) -> Result<u64> {
        self.lease.execute(sql, args).await.map_err(|error| self.database.error(&error))
    }

    /// All rows with one statement, whose text does not depend on how many they are.
    pub(crate) async fn insert_all<const N: usize>(&mut self, insert: &Insert, rows: &[[Value<'_>; N]]) -> Result<()> {
        self.insert_returning(insert, rows).await.map(drop)
    }

    /// The same; the rows that `RETURNING` in its tail gives back.
    pub(crate) async fn insert_returning<const N: usize>(
        &mut self,
        insert: &Insert,
        rows: &[[Value<'_>; N]],
    ) -> Result<Vec<Row>> {
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let types: Vec<_> =
            first.iter().enumerate().map(|(n, value)| format!("${}::{}[]", n + 1, value.postgres_type())).collect();
        let sql = format!("{} SELECT * FROM UNNEST({}) {}", insert.head, types.join(", "), insert.tail);
        let columns = super::super::value::columns(rows).map_err(|error| self.database.error(&error))?;
        let rows = self.lease.fetch_with(AssertSqlSafe(sql).into_sql_str(), columns).await;
        Ok(self.database.rows(rows.map_err(|error| self.database.error(&error))?))
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.database.part.postgres_name()
    }

    /// Makes it last.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let id = self.id().await?;
        let done = self.lease.command("COMMIT").await;
        let Err(error) = done else {
            self.lease.open = false;
            *self.database.last.lock() = None;
            return Ok(());
        };
        let is_lost = self.lease.is_doubtful();
        let error = self.database.error(&error);
        // The next one to write may need the place.
        drop(self.lease);
        match id {
            Some(id) if is_lost => outcome(self.database, &id, error).await,
            _ => Err(error),
        }
    }

    /// What the server calls this transaction. The books need none: what goes in twice counts once.
    async fn id(&mut self) -> Result<Option<String>> {
        if self.database.part == Part::Ledger {
            return Ok(None);
        }
        let row = self.fetch("SELECT pg_current_xact_id()::TEXT AS id".into_sql_str(), &[]).await?.into_iter().next();
        row.map(|row| row.get("id")).transpose()
    }
}

/// Whether a commit was made whose answer was lost. Where the server does not come back to say so, whoever asked is told
/// that it failed, though it may turn out not to have.
pub(super) async fn outcome(database: &Postgres, id: &str, error: Error) -> Result<()> {
    let end = Instant::now() + ASK;
    while Instant::now() < end {
        if let Ok(mut lease) = database.probe.lease().await {
            let sql = "SELECT pg_xact_status($1::xid8) AS status".into_sql_str();
            let rows = lease.fetch(sql, &[id.into()]).await.map(|rows| database.rows(rows));
            let status =
                rows.ok().and_then(|rows| rows.first().and_then(|row| row.get::<Option<String>>("status").ok()));
            match status.flatten().as_deref() {
                Some("committed") => return Ok(()),
                Some("aborted") => return Err(error),
                _ => {}
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(error)
}
