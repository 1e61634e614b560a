use crate::database::{Database, Statement, Write};
use crate::{Result, Store};

/// Gives pages back in one transaction, so few that others wait for no more than moving these.
const VACUUM: &str = "PRAGMA incremental_vacuum(512)";
const SQLITE_SIZE: &str = "SELECT page_count * page_size AS bytes, freelist_count * page_size AS free_bytes
    FROM pragma_page_count, pragma_page_size, pragma_freelist_count";
const SQLITE_TABLES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_sqlx\\_%' ESCAPE '\\'
    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
/// The server uses free room again by itself, and gives it back at the end of a table.
const POSTGRES_SIZE: &str = "SELECT COALESCE(CAST(SUM(pg_total_relation_size(oid)) AS BIGINT), 0) AS bytes,
    CAST(0 AS BIGINT) AS free_bytes FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'";
const POSTGRES_TABLES: &str = "SELECT relname::TEXT AS name FROM pg_class WHERE relkind = 'r'
    AND relnamespace = current_schema()::regnamespace AND relname NOT LIKE '\\_sqlx\\_%' ORDER BY relname";

/// How large a database is, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// What people call the database.
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
        Ok(vec![room(&self.main).await?, room(&self.ledger).await?])
    }

    /// Gives free room at the end of the databases back to the disk, in short steps; how many bytes.
    ///
    /// Files that were made before this was known keep their size: what is free in them is used again. PostgreSQL does all
    /// that by itself.
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

async fn room(database: &Database) -> Result<Room> {
    let (size, names) = match database {
        Database::Sqlite(_) => (SQLITE_SIZE, SQLITE_TABLES),
        Database::Postgres(_) => (POSTGRES_SIZE, POSTGRES_TABLES),
    };
    let (mut bytes, mut free_bytes) = (0, 0);
    for row in database.fetch_all(size, &[]).await? {
        (bytes, free_bytes) = (row.get("bytes")?, row.get("free_bytes")?);
    }
    let mut tables = Vec::new();
    for row in database.fetch_all(names, &[]).await? {
        let name: String = row.get("name")?;
        let mut count = Statement::new("SELECT COUNT(*) AS found FROM ");
        count.push_name(&name);
        for row in database.fetch_by(&count).await? {
            tables.push((name.clone(), row.get("found")?));
        }
    }
    Ok(Room { database: database.name(), bytes, free_bytes, tables })
}

/// One step; how many bytes it gave back.
async fn give_back(database: &Database) -> Result<u64> {
    if matches!(database, Database::Postgres(_)) {
        return Ok(0);
    }
    let mut write = database.write().await?;
    let before = size(&mut write).await?;
    write.fetch_all(VACUUM, &[]).await?;
    let bytes = before.saturating_sub(size(&mut write).await?);
    write.commit().await?;
    Ok(bytes)
}

async fn size(write: &mut Write<'_>) -> Result<u64> {
    write.fetch_optional(SQLITE_SIZE, &[]).await?.map_or(Ok(0), |row| row.get("bytes"))
}

#[cfg(test)]
mod tests {
    use ambient::Timestamp;
    use ledger::drain::{Batch, Sink as _};
    use ledger::{GatewayId, Position};

    use crate::testing::{Backend, contract, event, store};

    contract!(rows_are_counted_and_room_is_known);

    async fn rows_are_counted_and_room_is_known(backend: Backend) {
        let store = backend.open().await;
        store.settings().set("a", Some("1")).await.unwrap();
        let [main, ledger]: [_; 2] = store.room().await.unwrap().try_into().unwrap();
        assert!(main.tables.contains(&("settings".to_owned(), 1)) && main.bytes > 0, "{main:?}");
        assert!(ledger.tables.contains(&("events".to_owned(), 0)), "{ledger:?}");
        assert!(main.tables.iter().all(|(name, _)| !name.starts_with('_')), "{main:?}");
        store.give_back().await.unwrap();
    }

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
