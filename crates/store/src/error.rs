use std::borrow::Cow;

/// Something that the store could not do.
#[derive(Debug, thiserror::Error)]
#[error("{database}: {cause}: {detail}")]
pub struct Error {
    /// File name of the database.
    pub database: &'static str,
    /// What kind of trouble it is.
    pub cause: Cause,
    /// What the database said; for logs and operators.
    pub detail: Cow<'static, str>,
}

/// Kinds of trouble that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Another program holds a lock; passes by itself.
    #[error("another program holds a lock on the database; close it, or wait")]
    Locked,
    /// The file was deleted or replaced while it was open.
    #[error("the database file was deleted or replaced; put it back, or restart Enginehouse")]
    Gone,
    /// The disk is full.
    #[error("the disk is full; free some space")]
    Full,
    /// The file or its folder cannot be written.
    #[error("the database cannot be written; check owner, mode and mount of the home")]
    ReadOnly,
    /// A unique value is taken, or a revision was committed by someone else meanwhile.
    #[error("conflicts with what is stored")]
    Conflict,
    /// Anything else.
    #[error("the database failed")]
    Other,
}

/// Result of a store operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

// === impl Error ===

impl Error {
    pub(crate) fn new(database: &'static str, cause: Cause, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { database, cause, detail: detail.into() }
    }

    pub(crate) fn from_sqlx(database: &'static str, error: &sqlx::Error) -> Self {
        Self::new(database, Cause::of(error), error.to_string())
    }

    /// Whether trying again later can help without anybody changing the request.
    pub const fn is_outage(&self) -> bool {
        !matches!(self.cause, Cause::Conflict)
    }
}

// === impl Cause ===

impl Cause {
    fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                error.code().and_then(|code| code.parse().ok()).map_or(Self::Other, Self::of_sqlite)
            }
            sqlx::Error::PoolTimedOut => Self::Locked,
            sqlx::Error::Io(error) => Self::of_io(error),
            _ => Self::Other,
        }
    }

    /// By SQLite's extended result code, whose low byte is the primary one.
    const fn of_sqlite(code: u32) -> Self {
        /// The file has been moved or deleted since it was opened.
        const READONLY_DBMOVED: u32 = 8 | (4 << 8);
        match (code, code & 0xff) {
            (READONLY_DBMOVED, _) => Self::Gone,
            (_, 5 | 6) => Self::Locked,
            (_, 8) => Self::ReadOnly,
            (_, 13) => Self::Full,
            (_, 19) => Self::Conflict,
            _ => Self::Other,
        }
    }

    pub(crate) fn of_io(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Gone,
            std::io::ErrorKind::StorageFull => Self::Full,
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_codes_map_to_causes() {
        let causes = [5, 261, 6, 8, 1032, 13, 2067, 1555, 11].map(Cause::of_sqlite);
        let [busy, recovery, table, readonly, moved, full, unique, primary, corrupt] = causes;
        assert_eq!([busy, recovery, table], [Cause::Locked; 3]);
        assert_eq!([readonly, moved, full], [Cause::ReadOnly, Cause::Gone, Cause::Full]);
        assert_eq!([unique, primary, corrupt], [Cause::Conflict, Cause::Conflict, Cause::Other]);
    }
}
