use crate::database::Database;
use crate::{AuditEntry, Result};

/// Single values, by name.
#[derive(Debug)]
pub struct Settings<'s> {
    database: &'s Database,
}

// === impl Settings ===

impl<'s> Settings<'s> {
    pub(crate) const fn new(database: &'s Database) -> Self {
        Self { database }
    }

    /// The value under `name`.
    pub async fn get(&self, name: &str) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT value FROM settings WHERE name = $1")
            .bind(name)
            .fetch_optional(self.database.read()?)
            .await
            .map_err(|error| self.database.error(&error))
    }

    /// Sets the value under `name`, and says so in the audit.
    pub async fn set_audited(&self, name: &str, value: &str, audit: &AuditEntry<'_>) -> Result<()> {
        let mut write = self.database.write().await?;
        let set = async {
            set(write.connection(), name, Some(value)).await?;
            crate::audit::insert(write.connection(), audit).await
        };
        set.await.map_err(|error| write.error(&error))?;
        write.commit().await
    }

    /// Sets the value under `name`, or removes it.
    pub async fn set(&self, name: &str, value: Option<&str>) -> Result<()> {
        let mut write = self.database.write().await?;
        set(write.connection(), name, value).await.map_err(|error| write.error(&error))?;
        write.commit().await
    }
}

pub(crate) async fn set(connection: &mut sqlx::SqliteConnection, name: &str, value: Option<&str>) -> sqlx::Result<()> {
    let query = match value {
        Some(value) => sqlx::query(
            "INSERT INTO settings (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value),
        None => sqlx::query("DELETE FROM settings WHERE name = $1").bind(name),
    };
    query.execute(connection).await.map(drop)
}
