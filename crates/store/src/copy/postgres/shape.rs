use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::value;
use crate::copy::{ColumnShape, TableShape};
use crate::database::Part;

const TABLES: &str = "SELECT relname::TEXT AS name FROM pg_class WHERE relkind = 'r'
    AND relnamespace = to_regnamespace($1) AND relname NOT LIKE '\\_sqlx\\_%' ORDER BY relname::TEXT COLLATE \"C\"";

const COLUMNS: &str = "SELECT attname::TEXT AS name, format_type(atttypid, NULL) AS type, (
        SELECT place FROM pg_index, unnest(indkey) WITH ORDINALITY AS key (number, place)
        WHERE indrelid = attrelid AND indisprimary AND number = attnum
    ) AS key FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

/// The tables of a part but for that of the migrations.
pub(super) async fn tables(connection: &mut PgConnection, part: Part) -> sqlx::Result<Vec<TableShape>> {
    let names: Vec<String> = sqlx::query_scalar(TABLES).bind(part.schema()).fetch_all(&mut *connection).await?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let mut table = TableShape { name, columns: Vec::new() };
        let columns = sqlx::query(COLUMNS).bind(table.within(part.schema())).fetch_all(&mut *connection).await?;
        table.columns = columns.iter().map(column).collect::<sqlx::Result<_>>()?;
        tables.push(table);
    }
    Ok(tables)
}

fn column(row: &PgRow) -> sqlx::Result<ColumnShape> {
    let (name, declared): (String, String) = (row.try_get("name")?, row.try_get("type")?);
    let unknown =
        || sqlx::Error::Decode(format!("column {name} is of the type {declared}, which no copy knows").into());
    let kind = value::kind(&declared).ok_or_else(unknown)?;
    let key = row.try_get::<Option<i64>, _>("key")?.and_then(|place| u32::try_from(place).ok());
    Ok(ColumnShape { name, kind, key })
}
