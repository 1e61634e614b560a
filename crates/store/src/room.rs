use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};

use crate::convert::unsigned;
use crate::database::Database;
use crate::{Result, Store};

/// Pages that are given back in one transaction: others wait for no more than moving these.
const PAGES: u32 = 512;

/// How large a database is, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// File name of the database.
    pub database: &'static str,
    /// Bytes that it takes.
    pub bytes: u64,
    /// Bytes of these that hold nothing and are used again first.
    pub free_bytes: u64,
    /// Rows by table, in the order of the tables' names.
    pub tables: Vec<(String, u64)>,
}

// === impl Store ===

impl Store {
    /// How large the databases are. Counts every row.
    pub async fn room(&self) -> Result<Vec<Room>> {
        let mut rooms = Vec::new();
        for database in [&*self.main, &*self.ledger] {
            let mut read = database.read()?.acquire().await.map_err(|error| database.error(&error))?;
            rooms.push(room(&mut read, database.name()).await.map_err(|error| database.error(&error))?);
        }
        Ok(rooms)
    }

    /// Gives free room at the end of the databases back to the disk, in short steps; how many bytes.
    ///
    /// Files that were made before this was known keep their size: what is free in them is used again.
    pub async fn give_back(&self) -> Result<u64> {
        let mut bytes = 0;
        for database in [&*self.main, &*self.ledger] {
            loop {
                let step = give_back(database).await?;
                bytes += step;
                if step == 0 {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(bytes)
    }
}

async fn room(connection: &mut SqliteConnection, database: &'static str) -> sqlx::Result<Room> {
    let page_bytes = pragma(connection, "page_size").await?;
    let bytes = pragma(connection, "page_count").await? * page_bytes;
    let free_bytes = pragma(connection, "freelist_count").await? * page_bytes;
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_sqlx\\_%' ESCAPE '\\'
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let mut tables = Vec::new();
    for row in sqlx::query(names).fetch_all(&mut *connection).await? {
        let name: String = row.try_get("name")?;
        let count = format!("SELECT COUNT(*) FROM \"{name}\"");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut *connection).await?;
        tables.push((name, unsigned(rows)));
    }
    Ok(Room { database, bytes, free_bytes, tables })
}

async fn pragma(connection: &mut SqliteConnection, name: &str) -> sqlx::Result<u64> {
    let value: i64 = sqlx::query_scalar(AssertSqlSafe(format!("PRAGMA {name}"))).fetch_one(connection).await?;
    Ok(unsigned(value))
}

/// One step; how many bytes it gave back.
async fn give_back(database: &Database) -> Result<u64> {
    let mut write = database.write().await?;
    let step = async {
        let connection = write.connection();
        let before = pragma(connection, "page_count").await?;
        sqlx::query(AssertSqlSafe(format!("PRAGMA incremental_vacuum({PAGES})"))).fetch_all(&mut *connection).await?;
        let pages = before.saturating_sub(pragma(connection, "page_count").await?);
        Ok(pages * pragma(connection, "page_size").await?)
    };
    let bytes = step.await.map_err(|error| write.error(&error))?;
    write.commit().await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use ambient::Timestamp;
    use ledger::drain::{Batch, Sink as _};
    use ledger::{GatewayId, Position};

    use crate::testing::{event, store};

    #[tokio::test]
    async fn what_trimming_frees_goes_back_to_the_disk() {
        let (_home, store) = store().await;
        let events: Vec<_> = (1..=4_000).map(|n| event(n, "key", "model", 1, 1)).collect();
        let batch = Batch { gateway: GatewayId(1), events, position: Position::default() };
        store.events().commit(&batch).await.unwrap();
        let full = store.room().await.unwrap().remove(1);
        assert_eq!(full.database, "ledger.db");
        assert!(full.tables.contains(&("events".to_owned(), 4_000)) && full.free_bytes == 0, "{full:?}");
        while store.events().trim(Timestamp::from_micros(2_000_000), 1_000).await.unwrap() > 0 {}
        let trimmed = store.room().await.unwrap().remove(1);
        assert!(trimmed.free_bytes > full.bytes / 2, "{trimmed:?}");
        let given = store.give_back().await.unwrap();
        let small = store.room().await.unwrap().remove(1);
        assert_eq!((small.free_bytes, small.bytes), (0, full.bytes - given));
        assert!(small.bytes < full.bytes / 4, "{small:?}");
    }
}
