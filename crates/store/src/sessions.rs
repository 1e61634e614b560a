use ambient::Timestamp;
use snapshot::KeyHash;

use crate::Result;
use crate::audit::{self, AuditEntry};
use crate::database::{Database, Row, Write, args};

/// Who is logged in.
#[derive(Debug)]
pub struct Sessions<'s> {
    database: &'s Database,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Hash of its id.
    pub hash: KeyHash,
    /// Whose it is.
    pub account: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, some minutes late at most.
    pub seen_at: Timestamp,
    /// When it ends, however much it is used.
    pub expires_at: Timestamp,
}

// === impl Sessions ===

impl<'s> Sessions<'s> {
    pub(crate) const fn new(database: &'s Database) -> Self {
        Self { database }
    }

    /// All sessions.
    pub async fn list(&self) -> Result<Vec<SessionRow>> {
        self.database.fetch_all("SELECT * FROM sessions", &[]).await?.iter().map(row).collect()
    }

    /// Begins `new`, if any, and ends `old` ones, all or nothing.
    pub async fn change(&self, new: Option<&SessionRow>, old: &[KeyHash], entry: &AuditEntry<'_>) -> Result<()> {
        let mut write = self.database.write().await?;
        for hash in old {
            write.execute("DELETE FROM sessions WHERE hash = $1", args![hash.to_string()]).await?;
        }
        if let Some(new) = new {
            insert(&mut write, new).await?;
        }
        audit::insert(&mut write, entry).await?;
        write.commit().await
    }

    /// Notes that a session was used.
    pub async fn touch(&self, hash: KeyHash, seen_at: Timestamp) -> Result<()> {
        let mut write = self.database.write().await?;
        let touch = "UPDATE sessions SET seen_at = $2 WHERE hash = $1";
        write.execute(touch, args![hash.to_string(), seen_at]).await?;
        write.commit().await
    }
}

async fn insert(write: &mut Write<'_>, session: &SessionRow) -> Result<()> {
    let sql = "INSERT INTO sessions (hash, account, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    let SessionRow { hash, account, created_at, seen_at, expires_at } = session;
    write.execute(sql, args![hash.to_string(), account, *created_at, *seen_at, *expires_at]).await.map(drop)
}

fn row(row: &Row) -> Result<SessionRow> {
    let hash: String = row.get("hash")?;
    Ok(SessionRow {
        hash: hash.parse().map_err(|error| row.unreadable("hash", &error))?,
        account: row.get("account")?,
        created_at: row.get("created_at")?,
        seen_at: row.get("seen_at")?,
        expires_at: row.get("expires_at")?,
    })
}
