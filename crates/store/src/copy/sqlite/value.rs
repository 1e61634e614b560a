use serde_json::Value;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

use crate::copy::ColumnKind;

type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

/// The value in a column, by what it is rather than by what its column says.
pub(super) fn read(row: &SqliteRow, at: usize, kind: ColumnKind) -> sqlx::Result<Value> {
    let raw = row.try_get_raw(at)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let info = raw.type_info();
    Ok(match (info.name(), kind) {
        ("TEXT", _) => row.try_get_unchecked::<String, _>(at)?.into(),
        ("BLOB", _) => hex::encode(row.try_get_unchecked::<Vec<u8>, _>(at)?).into(),
        (_, ColumnKind::Bool) => (row.try_get_unchecked::<i64, _>(at)? != 0).into(),
        _ => row.try_get_unchecked::<i64, _>(at)?.into(),
    })
}

/// Binds a value; none if it does not fit its column.
pub(super) fn bind<'q>(query: Statement<'q>, value: &Value, kind: ColumnKind) -> Option<Statement<'q>> {
    Some(match (kind, value) {
        (_, Value::Null) => query.bind(None::<i64>),
        (ColumnKind::Int, Value::Number(number)) => query.bind(number.as_i64()?),
        (ColumnKind::Bool, Value::Bool(flag)) => query.bind(*flag),
        (ColumnKind::Text, Value::String(text)) => query.bind(text.clone()),
        (ColumnKind::Bytes, Value::String(text)) => query.bind(hex::decode(text).ok()?),
        _ => return None,
    })
}
