use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::dump::{fault, tables};
use super::{CopyPart, CopyRow, TableShape, quoted, value};
use crate::Error;

/// A store that is being filled. It is a store only once [`finish`](Self::finish) has returned.
#[derive(Debug)]
pub struct Load {
    ledger: Filling,
    main: Filling,
}

/// What is copied cannot be put in.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its tables are younger than this program.
    #[error("its tables ({part}, {migration}) are of a newer version of Enginehouse; take that version")]
    Newer {
        /// Of which part.
        part: CopyPart,
        /// Number of the migration that is not known here.
        migration: i64,
    },
    /// A row or a table that does not fit.
    #[error("{table} of {part} does not fit: {why}")]
    Unfit {
        /// Of which part.
        part: CopyPart,
        /// Which table.
        table: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

#[derive(Debug)]
struct Filling {
    part: CopyPart,
    connection: SqliteConnection,
    tables: Vec<TableShape>,
}

// === impl Load ===

impl Load {
    /// Makes the databases in the folder `home`, which has none yet, with the tables that these migrations made.
    pub async fn begin(home: &Path, migrations: impl Fn(CopyPart) -> Vec<i64>) -> Result<Self, LoadError> {
        let ledger = Filling::begin(home, CopyPart::Ledger, migrations(CopyPart::Ledger)).await?;
        Ok(Self { ledger, main: Filling::begin(home, CopyPart::Main, migrations(CopyPart::Main)).await? })
    }

    /// Puts rows into a table.
    pub async fn insert(&mut self, part: CopyPart, table: &TableShape, rows: &[CopyRow]) -> Result<(), LoadError> {
        match part {
            CopyPart::Ledger => self.ledger.insert(table, rows).await,
            CopyPart::Main => self.main.insert(table, rows).await,
        }
    }

    /// Makes it last.
    pub async fn finish(self) -> Result<(), LoadError> {
        for filling in [self.ledger, self.main] {
            filling.finish().await?;
        }
        Ok(())
    }
}

// === impl Filling ===

impl Filling {
    async fn begin(home: &Path, part: CopyPart, versions: Vec<i64>) -> Result<Self, LoadError> {
        let migrator = only(part, versions)?;
        let begun = async {
            let options = SqliteConnectOptions::new()
                .filename(home.join(part.file()))
                .create_if_missing(true)
                .auto_vacuum(SqliteAutoVacuum::Incremental)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full);
            let mut connection = options.connect().await?;
            migrator.run(&mut connection).await.map_err(|error| sqlx::Error::Migrate(error.into()))?;
            let tables = tables(&mut connection).await?;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
            Ok((connection, tables))
        };
        let (connection, tables) = begun.await.map_err(|error: sqlx::Error| fault(part, &error))?;
        Ok(Self { part, connection, tables })
    }

    async fn insert(&mut self, table: &TableShape, rows: &[CopyRow]) -> Result<(), LoadError> {
        let unfit = |why| LoadError::Unfit { part: self.part, table: table.name.clone(), why };
        let known = self.tables.iter().find(|known| known.name == table.name);
        let known = known.ok_or_else(|| unfit("there is no such table"))?;
        let has_column = |name: &str| known.columns.iter().any(|column| column.name == name);
        if !table.columns.iter().all(|column| has_column(&column.name)) {
            return Err(unfit("it has other columns"));
        }
        let places = (1..=table.columns.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
        let (name, columns) = (quoted(&table.name), table.column_list());
        let sql = format!("INSERT INTO {name} ({columns}) VALUES ({places})");
        for row in rows {
            if row.len() != table.columns.len() {
                return Err(unfit("a row has more or fewer values than there are columns"));
            }
            let mut query = sqlx::query(AssertSqlSafe(sql.as_str()));
            for (value, column) in row.iter().zip(&table.columns) {
                query = value::bind(query, value, column.kind).ok_or_else(|| unfit("a value is of another kind"))?;
            }
            query.execute(&mut self.connection).await.map_err(|error| fault(self.part, &error))?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), LoadError> {
        let committed = async {
            sqlx::query("COMMIT").execute(&mut self.connection).await?;
            self.connection.close().await
        };
        committed.await.map_err(|error| fault(self.part, &error).into())
    }
}

/// The migrations of these numbers.
fn only(part: CopyPart, versions: Vec<i64>) -> Result<Migrator, LoadError> {
    let wanted: BTreeSet<_> = versions.into_iter().collect();
    let chosen: Vec<_> = part.migrations().iter().filter(|known| wanted.contains(&known.version)).cloned().collect();
    let known: BTreeSet<_> = chosen.iter().map(|migration| migration.version).collect();
    match wanted.difference(&known).next() {
        Some(migration) => Err(LoadError::Newer { part, migration: *migration }),
        None => Ok(Migrator { migrations: Cow::Owned(chosen), ..Migrator::DEFAULT }),
    }
}
