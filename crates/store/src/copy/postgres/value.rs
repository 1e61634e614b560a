use serde_json::Value;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Arguments as _, Postgres, Row as _};

use crate::copy::{ColumnKind, CopyRow};

/// A value that does not fit its column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfit;

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// What a column of this kind is called.
pub(super) const fn type_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Int => "bigint",
        ColumnKind::Bool => "boolean",
        ColumnKind::Text => "text",
        ColumnKind::Bytes => "bytea",
    }
}

/// The kind of column that is called so; none if copies know no such thing.
pub(super) fn kind(type_name: &str) -> Option<ColumnKind> {
    let kinds = [ColumnKind::Int, ColumnKind::Bool, ColumnKind::Text, ColumnKind::Bytes];
    kinds.into_iter().find(|kind| self::type_name(*kind) == type_name)
}

/// The value in a column.
pub(super) fn read(row: &PgRow, at: usize, kind: ColumnKind) -> sqlx::Result<Value> {
    Ok(match kind {
        ColumnKind::Int => row.try_get::<Option<i64>, _>(at)?.into(),
        ColumnKind::Bool => row.try_get::<Option<bool>, _>(at)?.into(),
        ColumnKind::Text => row.try_get::<Option<String>, _>(at)?.into(),
        ColumnKind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(hex::encode).into(),
    })
}

/// Binds a value.
pub(super) fn bind<'q>(query: Statement<'q>, value: &Value, kind: ColumnKind) -> Result<Statement<'q>, Unfit> {
    Ok(match kind {
        ColumnKind::Int => query.bind(int(value)?),
        ColumnKind::Bool => query.bind(bool(value)?),
        ColumnKind::Text => query.bind(text(value)?.map(ToOwned::to_owned)),
        ColumnKind::Bytes => query.bind(bytes(value)?),
    })
}

/// Adds a column of the rows as an array.
pub(super) fn add_column(
    arguments: &mut PgArguments,
    rows: &[CopyRow],
    at: usize,
    kind: ColumnKind,
) -> Result<(), Unfit> {
    let values = rows.iter().map(|row| row.get(at).unwrap_or(&Value::Null));
    let added = match kind {
        ColumnKind::Int => arguments.add(values.map(int).collect::<Result<Vec<_>, _>>()?),
        ColumnKind::Bool => arguments.add(values.map(bool).collect::<Result<Vec<_>, _>>()?),
        ColumnKind::Text => arguments.add(values.map(text).collect::<Result<Vec<_>, _>>()?),
        ColumnKind::Bytes => arguments.add(values.map(bytes).collect::<Result<Vec<_>, _>>()?),
    };
    added.map_err(|_| Unfit)
}

fn int(value: &Value) -> Result<Option<i64>, Unfit> {
    unless_null(value, Value::as_i64)
}

fn bool(value: &Value) -> Result<Option<bool>, Unfit> {
    unless_null(value, Value::as_bool)
}

fn text(value: &Value) -> Result<Option<&str>, Unfit> {
    unless_null(value, Value::as_str)
}

fn bytes(value: &Value) -> Result<Option<Vec<u8>>, Unfit> {
    text(value)?.map(|text| hex::decode(text).map_err(|_| Unfit)).transpose()
}

fn unless_null<'v, T>(value: &'v Value, read: impl Fn(&'v Value) -> Option<T>) -> Result<Option<T>, Unfit> {
    if value.is_null() { Ok(None) } else { read(value).map(Some).ok_or(Unfit) }
}
