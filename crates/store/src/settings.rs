use crate::database::{Database, Write, args};
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
        let row = self.database.fetch_optional("SELECT value FROM settings WHERE name = $1", args![name]).await?;
        row.map(|row| row.get("value")).transpose()
    }

    /// Sets the value under `name`, and says so in the audit.
    pub async fn set_audited(&self, name: &str, value: &str, audit: &AuditEntry<'_>) -> Result<()> {
        let mut write = self.database.write().await?;
        set(&mut write, name, Some(value)).await?;
        crate::audit::insert(&mut write, audit).await?;
        write.commit().await
    }

    /// Sets the value under `name`, or removes it.
    pub async fn set(&self, name: &str, value: Option<&str>) -> Result<()> {
        let mut write = self.database.write().await?;
        set(&mut write, name, value).await?;
        write.commit().await
    }
}

pub(crate) async fn set(write: &mut Write<'_>, name: &str, value: Option<&str>) -> Result<()> {
    const PUT: &str = "INSERT INTO settings (name, value) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    match value {
        Some(value) => write.execute(PUT, args![name, value]).await,
        None => write.execute("DELETE FROM settings WHERE name = $1", args![name]).await,
    }
    .map(drop)
}
