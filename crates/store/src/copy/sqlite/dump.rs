use std::path::Path;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use super::value;
use crate::copy::{ColumnKind, ColumnShape, CopyPart, CopyRow, TableShape, quoted};
use crate::{Error, Result};

/// Both files, each as it was at one moment.
#[derive(Debug)]
pub(crate) struct Dump {
    ledger: SqliteConnection,
    main: SqliteConnection,
}

// === impl Dump ===

impl Dump {
    pub(crate) async fn begin(home: &Path) -> Result<Self> {
        Ok(Self { ledger: begin(home, CopyPart::Ledger).await?, main: begin(home, CopyPart::Main).await? })
    }

    pub(crate) async fn migrations(&mut self, part: CopyPart) -> Result<Vec<i64>> {
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(self.of(part))
            .await
            .map_err(|error| fault(part, &error))
    }

    pub(crate) async fn revision(&mut self) -> Result<Option<(i64, String)>> {
        let found = sqlx::query_as("SELECT number, digest FROM revisions ORDER BY number DESC LIMIT 1");
        found.fetch_optional(&mut self.main).await.map_err(|error| fault(CopyPart::Main, &error))
    }

    pub(crate) async fn tables(&mut self, part: CopyPart) -> Result<Vec<TableShape>> {
        tables(self.of(part)).await.map_err(|error| fault(part, &error))
    }

    pub(crate) async fn rows(
        &mut self,
        part: CopyPart,
        table: &TableShape,
        after: Option<&CopyRow>,
        most: u32,
    ) -> Result<Vec<CopyRow>> {
        rows(self.of(part), table, after, most).await.map_err(|error| fault(part, &error))
    }

    fn of(&mut self, part: CopyPart) -> &mut SqliteConnection {
        match part {
            CopyPart::Ledger => &mut self.ledger,
            CopyPart::Main => &mut self.main,
        }
    }
}

async fn begin(home: &Path, part: CopyPart) -> Result<SqliteConnection> {
    let begun = async {
        let options = SqliteConnectOptions::new().filename(home.join(part.file())).read_only(true);
        let mut connection = options.connect().await?;
        sqlx::query("BEGIN").execute(&mut connection).await?;
        // The moment is that of the first look.
        sqlx::query("SELECT COUNT(*) FROM _sqlx_migrations").execute(&mut connection).await?;
        Ok(connection)
    };
    begun.await.map_err(|error| fault(part, &error))
}

/// The tables of a part but for those of the database itself.
pub(super) async fn tables(connection: &mut SqliteConnection) -> sqlx::Result<Vec<TableShape>> {
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_sqlx\\_%' ESCAPE '\\'
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut *connection).await?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let columns = sqlx::query("SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid")
            .bind(&name)
            .fetch_all(&mut *connection)
            .await?;
        tables.push(TableShape { columns: columns.iter().map(column).collect::<sqlx::Result<_>>()?, name });
    }
    Ok(tables)
}

fn column(row: &SqliteRow) -> sqlx::Result<ColumnShape> {
    let declared: String = row.try_get("type")?;
    let kind = match declared.to_ascii_uppercase().as_str() {
        "BOOLEAN" => ColumnKind::Bool,
        "TEXT" => ColumnKind::Text,
        "BLOB" | "BYTEA" => ColumnKind::Bytes,
        _ => ColumnKind::Int,
    };
    let key = u32::try_from(row.try_get::<i64, _>("pk")?).ok().filter(|place| *place > 0);
    Ok(ColumnShape { name: row.try_get("name")?, kind, key })
}

async fn rows(
    connection: &mut SqliteConnection,
    table: &TableShape,
    after: Option<&CopyRow>,
    most: u32,
) -> sqlx::Result<Vec<CopyRow>> {
    let mut query = sqlx::query(AssertSqlSafe(table.page(&quoted(&table.name), after.is_some(), most)));
    for (last, kind) in table.key_of(after) {
        let unfit = || sqlx::Error::Encode("a key that is none".into());
        query = value::bind(query, last.unwrap_or(&Value::Null), kind).ok_or_else(unfit)?;
    }
    let found = query.fetch_all(connection).await?;
    let row = |row: &SqliteRow| -> sqlx::Result<CopyRow> {
        table.columns.iter().enumerate().map(|(at, column)| value::read(row, at, column.kind)).collect()
    };
    found.iter().map(row).collect()
}

pub(super) fn fault(part: CopyPart, error: &sqlx::Error) -> Error {
    Error::from_sqlx(part.file(), error)
}
