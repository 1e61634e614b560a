use std::borrow::Cow;

use ambient::Timestamp;
use ledger::Nanos;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, Encode, Type};

/// What a place of a statement (`$1`, `$2` ...) stands for: the few types that both databases store the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Int(Option<i64>),
    Bool(Option<bool>),
    Text(Option<Cow<'a, str>>),
    Blob(Option<Cow<'a, [u8]>>),
}

/// The values of a statement in the order of its places: `args![id, at, alias]`.
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        &[$($crate::database::Value::from($value)),*]
    };
}
pub(crate) use args;

/// The values in the form that one of the databases takes them in.
pub(super) fn encode<A>(values: &[Value<'_>]) -> sqlx::Result<A>
where
    A: Arguments,
    Option<i64>: for<'v> Encode<'v, A::Database> + Type<A::Database>,
    Option<bool>: for<'v> Encode<'v, A::Database> + Type<A::Database>,
    for<'v> Option<&'v str>: Encode<'v, A::Database> + Type<A::Database>,
    for<'v> Option<&'v [u8]>: Encode<'v, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for value in values {
        match value {
            Value::Int(number) => arguments.add(*number),
            Value::Bool(flag) => arguments.add(*flag),
            Value::Text(text) => arguments.add(text.as_deref()),
            Value::Blob(bytes) => arguments.add(bytes.as_deref()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// Rows of values of the same types, column by column, as arrays of PostgreSQL.
pub(super) fn columns<const N: usize>(rows: &[[Value<'_>; N]]) -> sqlx::Result<PgArguments> {
    let mut arguments = PgArguments::default();
    for n in 0..N {
        let column = rows.iter().map(|row| &row[n]);
        match rows.first().map(|row| &row[n]) {
            Some(Value::Int(_)) => arguments.add(column.map(Value::int).collect::<Vec<_>>()),
            Some(Value::Bool(_)) => arguments.add(column.map(Value::bool).collect::<Vec<_>>()),
            Some(Value::Text(_)) => arguments.add(column.map(Value::text).collect::<Vec<_>>()),
            Some(Value::Blob(_)) => arguments.add(column.map(Value::blob).collect::<Vec<_>>()),
            None => Ok(()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

// === impl Value ===

impl Value<'_> {
    /// What PostgreSQL calls its type.
    pub(super) const fn postgres_type(&self) -> &'static str {
        match self {
            Self::Int(_) => "BIGINT",
            Self::Bool(_) => "BOOLEAN",
            Self::Text(_) => "TEXT",
            Self::Blob(_) => "BYTEA",
        }
    }

    const fn int(&self) -> Option<i64> {
        if let Self::Int(number) = self { *number } else { None }
    }

    const fn bool(&self) -> Option<bool> {
        if let Self::Bool(flag) = self { *flag } else { None }
    }

    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { text.as_deref() } else { None }
    }

    fn blob(&self) -> Option<&[u8]> {
        if let Self::Blob(bytes) = self { bytes.as_deref() } else { None }
    }

    /// A JSON value as text.
    pub(crate) fn json(value: impl Into<serde_json::Value>) -> Self {
        value.into().to_string().into()
    }
}

/// Numbers of the store are signed; ours often are not. Out of range saturates: nothing real comes near, and a row must
/// never fail to be written for it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

macro_rules! into_value {
    ($($type:ty => $variant:ident($name:ident) $convert:expr;)*) => {$(
        impl<'a> From<$type> for Value<'a> {
            fn from($name: $type) -> Self {
                Self::$variant(Some($convert))
            }
        }

        impl<'a> From<Option<$type>> for Value<'a> {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(|$name| $convert))
            }
        }
    )*};
}

into_value! {
    i64 => Int(number) number;
    u64 => Int(number) signed(number);
    u32 => Int(number) number.into();
    u16 => Int(number) number.into();
    Nanos => Int(nanos) nanos.0;
    Timestamp => Int(time) time.as_micros();
    bool => Bool(flag) flag;
    &'a str => Text(text) Cow::Borrowed(text);
    &'a String => Text(text) Cow::Borrowed(text.as_str());
    String => Text(text) Cow::Owned(text);
    &'a [u8] => Blob(bytes) Cow::Borrowed(bytes);
    &'a Vec<u8> => Blob(bytes) Cow::Borrowed(bytes.as_slice());
    Vec<u8> => Blob(bytes) Cow::Owned(bytes);
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(text: &'a Option<String>) -> Self {
        text.as_deref().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_are_cut() {
        assert_eq!(args![u64::MAX, 5_u32, Nanos(-1)], &[i64::MAX, 5, -1].map(Value::from));
        assert_eq!(args![None::<u64>], &[Value::Int(None)]);
    }
}
