use ambient::Timestamp;
use ledger::Nanos;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::{Cause, Error, Result};

/// A row that was found.
pub(crate) struct Row {
    pub(super) database: &'static str,
    pub(super) found: Found,
}

pub(super) enum Found {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A type that a column can be read as.
pub(crate) trait Column: Sized {
    fn read(row: &Row, name: &str) -> sqlx::Result<Self>;
}

// === impl Row ===

impl Row {
    /// The column `name`.
    pub(crate) fn get<T: Column>(&self, name: &str) -> Result<T> {
        T::read(self, name).map_err(|error| self.unreadable(name, &error))
    }

    /// The column `name`, which holds JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let text: String = self.get(name)?;
        serde_json::from_str(&text).map_err(|error| self.unreadable(name, &error))
    }

    /// The column `name` holds something that cannot be understood.
    pub(crate) fn unreadable(&self, name: &str, error: &dyn std::fmt::Display) -> Error {
        Error::new(self.database, Cause::Other, format!("column {name} cannot be read: {error}"))
    }
}

impl std::fmt::Debug for Row {
    /// Nothing of its contents: they may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row of {}", self.database)
    }
}

// === impl Column ===

macro_rules! stored_as_it_is {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read(row: &Row, name: &str) -> sqlx::Result<Self> {
                match &row.found {
                    Found::Sqlite(row) => row.try_get(name),
                    Found::Postgres(row) => row.try_get(name),
                }
            }
        }
    )*};
}

stored_as_it_is!(i64, Option<i64>, bool, Option<bool>, String, Option<String>, Vec<u8>, Option<Vec<u8>>);

macro_rules! stored_as_number {
    ($($type:ty = |$number:ident| $convert:expr;)*) => {$(
        impl Column for $type {
            fn read(row: &Row, name: &str) -> sqlx::Result<Self> {
                i64::read(row, name).map(|$number| $convert)
            }
        }

        impl Column for Option<$type> {
            fn read(row: &Row, name: &str) -> sqlx::Result<Self> {
                Ok(Option::<i64>::read(row, name)?.map(|$number| $convert))
            }
        }
    )*};
}

stored_as_number! {
    u64 = |number| u64::try_from(number).unwrap_or(0);
    u32 = |number| u32::try_from(number.max(0)).unwrap_or(u32::MAX);
    u16 = |number| u16::try_from(number.max(0)).unwrap_or(u16::MAX);
    Nanos = |number| Nanos(number);
    Timestamp = |number| Timestamp::from_micros(number);
}
