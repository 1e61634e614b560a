use std::borrow::Cow;
use std::sync::LazyLock;

use sqlx::migrate::{Migration, Migrator};

/// The two parts of the store: each is a file in SQLite and a schema in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What people made: revisions, keys, settings, audit.
    Main,
    /// The books.
    Ledger,
}

static MAIN: Migrator = sqlx::migrate!("migrations/main");
static LEDGER: Migrator = sqlx::migrate!("migrations/ledger");
static POSTGRES_MAIN: LazyLock<Migrator> =
    LazyLock::new(|| overridden(&MAIN, &sqlx::migrate!("migrations/main/postgres")));
static POSTGRES_LEDGER: LazyLock<Migrator> =
    LazyLock::new(|| overridden(&LEDGER, &sqlx::migrate!("migrations/ledger/postgres")));

// === impl Part ===

impl Part {
    /// The file of SQLite.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Main => "enginehouse.db",
            Self::Ledger => "ledger.db",
        }
    }

    /// The schema of PostgreSQL.
    pub(crate) const fn schema(self) -> &'static str {
        match self {
            Self::Main => "enginehouse",
            Self::Ledger => "enginehouse_ledger",
        }
    }

    /// What people are told it is in PostgreSQL.
    pub(crate) const fn postgres_name(self) -> &'static str {
        match self {
            Self::Main => "PostgreSQL (schema enginehouse)",
            Self::Ledger => "PostgreSQL (schema enginehouse_ledger)",
        }
    }

    /// How its tables came about in SQLite.
    pub(crate) fn sqlite_migrations(self) -> &'static Migrator {
        match self {
            Self::Main => &MAIN,
            Self::Ledger => &LEDGER,
        }
    }

    /// How its tables came about in PostgreSQL.
    pub(crate) fn postgres_migrations(self) -> &'static Migrator {
        match self {
            Self::Main => &POSTGRES_MAIN,
            Self::Ledger => &POSTGRES_LEDGER,
        }
    }
}

/// The migrations of both databases, but for those that PostgreSQL has to be told in its own words.
fn overridden(both: &Migrator, own: &Migrator) -> Migrator {
    let choose = |migration: &Migration| {
        own.iter().find(|other| other.version == migration.version).unwrap_or(migration).clone()
    };
    Migrator { migrations: Cow::Owned(both.iter().map(choose).collect()), ..Migrator::DEFAULT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgresql_is_told_in_its_own_words_replaces_something() {
        let pairs = [
            (&MAIN, sqlx::migrate!("migrations/main/postgres")),
            (&LEDGER, sqlx::migrate!("migrations/ledger/postgres")),
        ];
        for (both, own) in pairs {
            for migration in own.iter() {
                let same = both.iter().find(|other| other.version == migration.version);
                assert_eq!(same.map(|same| &same.description), Some(&migration.description));
            }
        }
    }
}
