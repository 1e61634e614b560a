use serde_json::Value;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tokio::time::timeout;

use super::{CONNECT, options, shape, value};
use crate::copy::{CopyPart, CopyRow, TableShape};
use crate::{Cause, Error, PostgresUrl, Result};

/// Both schemas as of the same moment.
#[derive(Debug)]
pub(crate) struct Dump(PgConnection);

// === impl Dump ===

impl Dump {
    pub(crate) async fn begin(url: &PostgresUrl) -> Result<Self> {
        let name = CopyPart::Main.postgres_name();
        let late = |_| Error::new(name, Cause::Away, "the server does not let us in in time");
        let begun = timeout(CONNECT, begin(url)).await.map_err(late)?;
        let (connection, missing) = begun.map_err(|error| Error::from_sqlx(name, &error))?;
        match missing {
            None => Ok(Self(connection)),
            Some(part) => Err(Error::new(part.postgres_name(), Cause::Other, format!("{url} has no store in it"))),
        }
    }

    pub(crate) async fn migrations(&mut self, part: CopyPart) -> Result<Vec<i64>> {
        let sql = format!("SELECT version FROM {}._sqlx_migrations WHERE success ORDER BY version", part.schema());
        let found = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut self.0).await;
        found.map_err(|error| fault(part, &error))
    }

    pub(crate) async fn revision(&mut self) -> Result<Option<(i64, String)>> {
        let sql =
            format!("SELECT number, digest FROM {}.revisions ORDER BY number DESC LIMIT 1", CopyPart::Main.schema());
        let found = sqlx::query_as(AssertSqlSafe(sql)).fetch_optional(&mut self.0).await;
        found.map_err(|error| fault(CopyPart::Main, &error))
    }

    pub(crate) async fn tables(&mut self, part: CopyPart) -> Result<Vec<TableShape>> {
        shape::tables(&mut self.0, part.part()).await.map_err(|error| fault(part, &error))
    }

    pub(crate) async fn rows(
        &mut self,
        part: CopyPart,
        table: &TableShape,
        after: Option<&CopyRow>,
        most: u32,
    ) -> Result<Vec<CopyRow>> {
        rows(&mut self.0, part, table, after, most).await.map_err(|error| fault(part, &error))
    }
}

/// A connection that sees one moment, and a part that has no tables.
async fn begin(url: &PostgresUrl) -> sqlx::Result<(PgConnection, Option<CopyPart>)> {
    let mut connection = options(url).connect().await?;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut connection).await?;
    for part in CopyPart::ALL {
        let migrations = format!("{}._sqlx_migrations", part.schema());
        let sql = "SELECT to_regclass($1) IS NOT NULL";
        if !sqlx::query_scalar::<_, bool>(sql).bind(migrations).fetch_one(&mut connection).await? {
            return Ok((connection, Some(part)));
        }
    }
    Ok((connection, None))
}

async fn rows(
    connection: &mut PgConnection,
    part: CopyPart,
    table: &TableShape,
    after: Option<&CopyRow>,
    most: u32,
) -> sqlx::Result<Vec<CopyRow>> {
    let sql = table.page(&table.within(part.schema()), after.is_some(), most);
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (last, kind) in table.key_of(after) {
        let unfit = |_| sqlx::Error::Encode("a key that is none".into());
        query = value::bind(query, last.unwrap_or(&Value::Null), kind).map_err(unfit)?;
    }
    let found = query.fetch_all(connection).await?;
    let row = |row: &PgRow| -> sqlx::Result<CopyRow> {
        table.columns.iter().enumerate().map(|(at, column)| value::read(row, at, column.kind)).collect()
    };
    found.iter().map(row).collect()
}

pub(super) fn fault(part: CopyPart, error: &sqlx::Error) -> Error {
    Error::from_sqlx(part.postgres_name(), error)
}
