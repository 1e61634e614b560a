use std::borrow::Cow;

use sqlx::postgres::PgDatabaseError;

/// Something that the store could not do.
#[derive(Debug, thiserror::Error)]
#[error("{database}: {cause}: {detail}")]
pub struct Error {
    /// What people call the database: the name of a file, or of a schema.
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
    #[error("the database is read-only; check owner, mode and mount of the home, or whether the server is a standby")]
    ReadOnly,
    /// The database server cannot be reached, is starting or stopping, or does not answer; passes by itself.
    #[error("the database server cannot be reached or does not answer; start it, or check the address and the network")]
    Away,
    /// The database server does not let us in, or lacks what we need.
    #[error(
        "the database server refuses us; check user, password, database and permissions in ENGINEHOUSE_DATABASE_URL"
    )]
    Refused,
    /// Another manager uses the database.
    #[error("another Enginehouse manager uses this database; stop it, or give this one a database of its own")]
    Taken,
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
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) => Self::of_postgres(error.code()),
                None => error.code().and_then(|code| code.parse().ok()).map_or(Self::Other, Self::of_sqlite),
            },
            sqlx::Error::PoolTimedOut => Self::Locked,
            sqlx::Error::Io(error) => Self::of_connection(error.kind()),
            sqlx::Error::Tls(_) => Self::Refused,
            // A server that broke off in the middle of a word.
            sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => Self::Away,
            _ => Self::Other,
        }
    }

    /// By SQLSTATE, whose first two characters are the class.
    fn of_postgres(code: &str) -> Self {
        match code {
            "25006" => Self::ReadOnly,
            // Waited too long for a lock, fell out with another transaction.
            "55P03" | "40001" | "40P01" => Self::Locked,
            "53100" => Self::Full,
            // Our triggers refuse with it what contradicts the store.
            "P0001" => Self::Conflict,
            // The time of a statement or of a pause was up.
            "57014" | "25P03" => Self::Away,
            // Wrong password or user, no such database, no permission.
            "3D000" | "42501" => Self::Refused,
            _ => match code.get(..2) {
                Some("23") => Self::Conflict,
                Some("28") => Self::Refused,
                // Connection broken, stopping or starting, too many connections, no memory, system error.
                Some("08" | "57" | "53" | "58") => Self::Away,
                _ => Self::Other,
            },
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

    /// Of a connection to a server: SQLite's own files report differently.
    const fn of_connection(kind: std::io::ErrorKind) -> Self {
        use std::io::ErrorKind as Kind;
        match kind {
            // A socket that may not be opened; a certificate that nobody vouches for.
            Kind::PermissionDenied | Kind::InvalidData | Kind::InvalidInput => Self::Refused,
            // Whatever else ends a connection or keeps it from being made, also a socket that is not there.
            _ => Self::Away,
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
    fn states_of_postgresql_map_to_causes() {
        let away = ["08006", "57P01", "57P03", "53300", "57014"];
        assert!(away.iter().all(|code| Cause::of_postgres(code) == Cause::Away));
        assert!(["55P03", "40001", "40P01"].iter().all(|code| Cause::of_postgres(code) == Cause::Locked));
        assert!(["28P01", "28000", "3D000", "42501"].iter().all(|code| Cause::of_postgres(code) == Cause::Refused));
        let others = ["25006", "53100", "23505", "P0001", "42703", ""].map(Cause::of_postgres);
        let expected = [Cause::ReadOnly, Cause::Full, Cause::Conflict, Cause::Conflict, Cause::Other, Cause::Other];
        assert_eq!(others, expected);
    }

    #[test]
    fn sqlite_codes_map_to_causes() {
        let causes = [5, 261, 6, 8, 1032, 13, 2067, 1555, 11].map(Cause::of_sqlite);
        let [busy, recovery, table, readonly, moved, full, unique, primary, corrupt] = causes;
        assert_eq!([busy, recovery, table], [Cause::Locked; 3]);
        assert_eq!([readonly, moved, full], [Cause::ReadOnly, Cause::Gone, Cause::Full]);
        assert_eq!([unique, primary, corrupt], [Cause::Conflict, Cause::Conflict, Cause::Other]);
    }
}
