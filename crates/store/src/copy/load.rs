use super::{CopyPart, CopyRow, TableShape, postgres, sqlite};
use crate::{Error, Location};

/// A store that is being filled. It is a store only once [`finish`](Self::finish) has returned.
#[derive(Debug)]
pub struct Load(Target);

#[derive(Debug)]
enum Target {
    Sqlite(Box<sqlite::Load>),
    Postgres(Box<postgres::Load>),
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
    /// There is something already where it is to be put.
    #[error(
        "{place} is not empty (it has tables in the schema {schema}); name an empty one, or set them aside with --force"
    )]
    NotEmpty {
        /// The database.
        place: String,
        /// What is in the way.
        schema: &'static str,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

// === impl Load ===

impl Load {
    /// Begins to fill what has nothing yet, with the tables that these migrations made: the files in a folder, or the
    /// schemas of a database, which is kept from other managers meanwhile. With `aside`, schemas that are in the way get
    /// that behind their names in the same transaction.
    pub async fn begin(
        location: &Location,
        migrations: impl Fn(CopyPart) -> Vec<i64>,
        aside: Option<&str>,
    ) -> Result<Self, LoadError> {
        Ok(Self(match location {
            Location::Home(home) => Target::Sqlite(Box::new(sqlite::Load::begin(home, migrations).await?)),
            Location::Postgres(url) => {
                let [ledger, main] = CopyPart::ALL.map(migrations);
                Target::Postgres(Box::new(Box::pin(postgres::Load::begin(url, [ledger, main], aside)).await?))
            }
        }))
    }

    /// Schemas that were in the way, under the names that they will have.
    pub fn set_aside(&self) -> &[String] {
        match &self.0 {
            Target::Sqlite(_) => &[],
            Target::Postgres(load) => load.set_aside(),
        }
    }

    /// Puts rows into a table.
    pub async fn insert(&mut self, part: CopyPart, table: &TableShape, rows: &[CopyRow]) -> Result<(), LoadError> {
        match &mut self.0 {
            Target::Sqlite(load) => load.insert(part, table, rows).await,
            Target::Postgres(load) => Box::pin(load.insert(part, table, rows)).await,
        }
    }

    /// Makes it last. A database keeps `mark` with it, in the same transaction: see [`PostgresUrl::has_mark`].
    ///
    /// [`PostgresUrl::has_mark`]: crate::PostgresUrl::has_mark
    pub async fn finish(self, mark: &str) -> Result<(), LoadError> {
        match self.0 {
            Target::Sqlite(load) => load.finish().await,
            Target::Postgres(load) => Box::pin(load.finish(mark)).await,
        }
    }
}
