use super::{CopyPart, CopyRow, TableShape, postgres, sqlite};
use crate::{Location, Result};

/// Everything that is in a store, as it was at one moment: of the books first, then of the rest. Reads beside a server
/// that writes, and changes nothing, not even the form of the tables.
#[derive(Debug)]
pub struct Dump(Source);

#[derive(Debug)]
enum Source {
    Sqlite(Box<sqlite::Dump>),
    Postgres(Box<postgres::Dump>),
}

// === impl Dump ===

impl Dump {
    /// Of the store at `location`.
    pub async fn begin(location: &Location) -> Result<Self> {
        Ok(Self(match location {
            Location::Home(home) => Source::Sqlite(Box::new(sqlite::Dump::begin(home).await?)),
            Location::Postgres(url) => Source::Postgres(Box::new(Box::pin(postgres::Dump::begin(url)).await?)),
        }))
    }

    /// Numbers of the migrations that made the tables of a part.
    pub async fn migrations(&mut self, part: CopyPart) -> Result<Vec<i64>> {
        match &mut self.0 {
            Source::Sqlite(dump) => dump.migrations(part).await,
            Source::Postgres(dump) => Box::pin(dump.migrations(part)).await,
        }
    }

    /// Number and digest of the revision that applies; none before the first.
    pub async fn revision(&mut self) -> Result<Option<(u64, String)>> {
        let found = match &mut self.0 {
            Source::Sqlite(dump) => dump.revision().await,
            Source::Postgres(dump) => Box::pin(dump.revision()).await,
        };
        Ok(found?.map(|(number, digest)| (number.unsigned_abs(), digest)))
    }

    /// The tables of a part, by name.
    pub async fn tables(&mut self, part: CopyPart) -> Result<Vec<TableShape>> {
        match &mut self.0 {
            Source::Sqlite(dump) => dump.tables(part).await,
            Source::Postgres(dump) => Box::pin(dump.tables(part)).await,
        }
    }

    /// Up to `most` rows of a table, in the order of its key, behind the row `after`.
    pub async fn rows(
        &mut self,
        part: CopyPart,
        table: &TableShape,
        after: Option<&CopyRow>,
        most: u32,
    ) -> Result<Vec<CopyRow>> {
        match &mut self.0 {
            Source::Sqlite(dump) => dump.rows(part, table, after, most).await,
            Source::Postgres(dump) => Box::pin(dump.rows(part, table, after, most)).await,
        }
    }
}
