use ambient::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::Result;
use crate::convert::unsigned;
use crate::database::Database;

/// The engines that were started and not seen to end.
#[derive(Debug)]
pub struct Replicas<'s> {
    database: &'s Database,
}

/// One engine that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaRow {
    /// `<deployment id>/<number>`.
    pub id: String,
    /// Hash of what it was started from.
    pub spec_hash: String,
    /// How the runtime finds it again, as JSON.
    pub handle: String,
    /// Port on the loopback address, if it listens on one.
    pub port: Option<u16>,
    /// Unix socket, if it listens on one.
    pub socket: Option<String>,
    /// When it was started.
    pub started_at: Timestamp,
    /// How often it was started again since it was last ready for long.
    pub restarts: u32,
}

// === impl Replicas ===

impl<'s> Replicas<'s> {
    pub(crate) const fn new(database: &'s Database) -> Self {
        Self { database }
    }

    /// All of them.
    pub async fn list(&self) -> Result<Vec<ReplicaRow>> {
        sqlx::query("SELECT * FROM replicas ORDER BY id")
            .fetch_all(self.database.read()?)
            .await
            .and_then(|rows| rows.iter().map(row).collect())
            .map_err(|error| self.database.error(&error))
    }

    /// Records a start; an earlier one of the same replica is replaced.
    pub async fn put(&self, replica: &ReplicaRow) -> Result<()> {
        let mut write = self.database.write().await?;
        sqlx::query(
            "INSERT INTO replicas (id, spec_hash, handle, port, socket, started_at, restarts)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET spec_hash = excluded.spec_hash, handle = excluded.handle,
             port = excluded.port, socket = excluded.socket, started_at = excluded.started_at,
             restarts = excluded.restarts",
        )
        .bind(&replica.id)
        .bind(&replica.spec_hash)
        .bind(&replica.handle)
        .bind(replica.port.map(i64::from))
        .bind(&replica.socket)
        .bind(replica.started_at.as_micros())
        .bind(i64::from(replica.restarts))
        .execute(write.connection())
        .await
        .map_err(|error| write.error(&error))?;
        write.commit().await
    }

    /// Forgets a replica that has ended.
    pub async fn delete(&self, id: &str) -> Result<()> {
        let mut write = self.database.write().await?;
        sqlx::query("DELETE FROM replicas WHERE id = $1")
            .bind(id)
            .execute(write.connection())
            .await
            .map_err(|error| write.error(&error))?;
        write.commit().await
    }
}

fn row(row: &SqliteRow) -> sqlx::Result<ReplicaRow> {
    let port: Option<i64> = row.try_get("port")?;
    Ok(ReplicaRow {
        id: row.try_get("id")?,
        spec_hash: row.try_get("spec_hash")?,
        handle: row.try_get("handle")?,
        port: port.and_then(|port| u16::try_from(port).ok()),
        socket: row.try_get("socket")?,
        started_at: Timestamp::from_micros(row.try_get("started_at")?),
        restarts: u32::try_from(unsigned(row.try_get("restarts")?)).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::store;

    #[tokio::test]
    async fn a_start_replaces_the_earlier_one_and_an_end_is_forgotten() {
        let (_home, store) = store().await;
        let first = ReplicaRow {
            id: "dep/0".into(),
            spec_hash: "h".into(),
            handle: "{}".into(),
            port: Some(8000),
            socket: None,
            started_at: Timestamp::from_micros(5),
            restarts: 0,
        };
        let second = ReplicaRow { port: None, socket: Some("/s".into()), restarts: 3, ..first.clone() };
        store.replicas().put(&first).await.unwrap();
        store.replicas().put(&second).await.unwrap();
        assert_eq!(store.replicas().list().await.unwrap(), [second]);
        store.replicas().delete("dep/0").await.unwrap();
        assert_eq!(store.replicas().list().await.unwrap(), []);
    }
}
