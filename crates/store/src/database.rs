//! One face for the two databases that things are kept in. Topics write each statement once, with `$1` for its values
//! and in words that both understand; where they store something is told by their [`Part`].
//!
//! What PostgreSQL does is boxed here: it is large, and would make every future large that may change something.

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use crate::{Cause, Error, Location, Result};

mod migrate;
mod part;
mod postgres;
mod row;
mod sqlite;
mod statement;
mod value;

use postgres::Postgres;
use sqlite::Sqlite;

pub(crate) use migrate::failure;
pub(crate) use part::Part;
pub use postgres::Look;
pub(crate) use postgres::{Transaction, claim};
pub(crate) use row::Row;
pub(crate) use sqlite::create;
pub(crate) use statement::Statement;
pub(crate) use value::{Value, args};

/// One of our two databases.
#[derive(Debug)]
pub(crate) enum Database {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

/// A transaction that changes something; in SQLite the only one at its time, and so is that of the [`Part::Main`] part in
/// PostgreSQL. Dropped without [`commit`](Self::commit), it leaves no trace.
pub(crate) enum Write<'d> {
    Sqlite(sqlite::Write<'d>),
    Postgres(Transaction<'d>),
}

/// Reads that all see the same moment.
pub(crate) enum Read<'d> {
    Sqlite(sqlite::Read<'d>),
    Postgres(Transaction<'d>),
}

/// Rows to be inserted with one statement where the database gains by that: `head VALUES (...) tail`.
pub(crate) struct Insert {
    /// `INSERT INTO table (columns)`.
    pub(crate) head: &'static str,
    /// `ON CONFLICT ...`.
    pub(crate) tail: &'static str,
}

// === impl Database ===

impl Database {
    /// Opens a part of the store, creating it if it is absent, and brings its tables up to date.
    pub(crate) async fn open(location: &Location, part: Part) -> Result<Self> {
        match location {
            Location::Home(home) => Sqlite::open(home, part).await.map(Self::Sqlite),
            Location::Postgres(url) => Box::pin(Postgres::open(url, part)).await.map(Box::new).map(Self::Postgres),
        }
    }

    /// The rows that a query finds.
    pub(crate) async fn fetch_all(&self, sql: &'static str, args: &[Value<'_>]) -> Result<Vec<Row>> {
        self.fetch(sql.into_sql_str(), args).await
    }

    /// The row that a query finds, if there is one.
    pub(crate) async fn fetch_optional(&self, sql: &'static str, args: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.fetch(sql.into_sql_str(), args).await?.into_iter().next())
    }

    /// The rows that a query finds which depends on what is asked for.
    pub(crate) async fn fetch_by(&self, statement: &Statement<'_>) -> Result<Vec<Row>> {
        let (sql, args) = statement.parts();
        self.fetch(AssertSqlSafe(sql).into_sql_str(), args).await
    }

    async fn fetch(&self, sql: SqlStr, args: &[Value<'_>]) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(database) => database.fetch(sql, args).await,
            Self::Postgres(database) => Box::pin(database.fetch(sql, args)).await,
        }
    }

    /// Begins to read.
    pub(crate) async fn read(&self) -> Result<Read<'_>> {
        Ok(match self {
            Self::Sqlite(database) => Read::Sqlite(database.read().await?),
            Self::Postgres(database) => Read::Postgres(Box::pin(database.read()).await?),
        })
    }

    /// Begins a change.
    pub(crate) async fn write(&self) -> Result<Write<'_>> {
        Ok(match self {
            Self::Sqlite(database) => Write::Sqlite(database.write().await?),
            Self::Postgres(database) => Write::Postgres(Box::pin(database.write()).await?),
        })
    }

    /// Whether a write would work now; none if so. Takes a few seconds at most, and a fraction of one where all is well.
    pub(crate) async fn health(&self) -> Option<Cause> {
        match self {
            Self::Sqlite(database) => database.health().await,
            Self::Postgres(database) => Box::pin(database.health()).await,
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(database) => database.name(),
            Self::Postgres(database) => database.name(),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::Postgres(database) => Box::pin(database.close()).await,
        }
    }

    #[cfg(test)]
    pub(crate) fn sqlite(&self) -> &Sqlite {
        match self {
            Self::Sqlite(database) => database,
            Self::Postgres(_) => panic!("not SQLite"),
        }
    }
}

// === impl Read ===

impl Read<'_> {
    /// The rows that a query finds.
    pub(crate) async fn fetch_all(&mut self, sql: &'static str, args: &[Value<'_>]) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(read) => read.fetch(sql.into_sql_str(), args).await,
            Self::Postgres(read) => Box::pin(read.fetch(sql.into_sql_str(), args)).await,
        }
    }
}

// === impl Write ===

impl Write<'_> {
    /// The rows that a query finds, or that a change gives back (`RETURNING`).
    pub(crate) async fn fetch_all(&mut self, sql: &'static str, args: &[Value<'_>]) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(write) => write.fetch(sql.into_sql_str(), args).await,
            Self::Postgres(write) => Box::pin(write.fetch(sql.into_sql_str(), args)).await,
        }
    }

    /// The row that a query finds, if there is one.
    pub(crate) async fn fetch_optional(&mut self, sql: &'static str, args: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.fetch_all(sql, args).await?.into_iter().next())
    }

    /// Makes a change; how many rows it met.
    pub(crate) async fn execute(&mut self, sql: &'static str, args: &[Value<'_>]) -> Result<u64> {
        match self {
            Self::Sqlite(write) => write.execute(sql.into_sql_str(), args).await,
            Self::Postgres(write) => Box::pin(write.execute(sql.into_sql_str(), args)).await,
        }
    }

    /// Inserts rows that all have the same types. Where there is an `ON CONFLICT ... UPDATE`, each row is met once at most.
    pub(crate) async fn insert_all<const N: usize>(&mut self, insert: &Insert, rows: &[[Value<'_>; N]]) -> Result<()> {
        match self {
            Self::Sqlite(write) => write.insert_all(insert, rows).await,
            Self::Postgres(write) => Box::pin(write.insert_all(insert, rows)).await,
        }
    }

    /// The change cannot be made, because of what is stored.
    pub(crate) fn conflict(&self, detail: String) -> Error {
        let name = match self {
            Self::Sqlite(write) => write.name(),
            Self::Postgres(write) => write.name(),
        };
        Error::new(name, Cause::Conflict, detail)
    }

    /// Makes it last.
    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(write) => write.commit().await,
            Self::Postgres(write) => Box::pin(write.commit()).await,
        }
    }
}
