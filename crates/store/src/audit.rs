use ambient::Timestamp;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::Result;
use crate::convert::unsigned;
use crate::database::Database;

/// Who did what.
#[derive(Debug)]
pub struct Audit<'s> {
    database: &'s Database,
}

/// Something that was done, written in the transaction that does it.
#[derive(Clone, Debug)]
pub struct AuditEntry<'a> {
    /// When.
    pub at: Timestamp,
    /// Who: `owner` (control socket), `master` (master key), `import` ...
    pub actor: &'a str,
    /// What: `apply`, `key.create` ...
    pub action: &'a str,
    /// To which thing: a revision's number, a key's id ...
    pub subject: &'a str,
    /// More, as a JSON object without secrets.
    pub detail: Value,
}

/// Something that was done, as read back.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Grows with every row.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To which thing.
    pub subject: String,
    /// More, as a JSON object.
    pub detail: Value,
}

// === impl Audit ===

impl<'s> Audit<'s> {
    pub(crate) const fn new(database: &'s Database) -> Self {
        Self { database }
    }

    /// The latest `limit` rows, newest first.
    pub async fn list(&self, limit: u32) -> Result<Vec<AuditRow>> {
        sqlx::query("SELECT id, at, actor, action, subject, detail FROM audit ORDER BY id DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.database.read()?)
            .await
            .and_then(|rows| rows.iter().map(row).collect())
            .map_err(|error| self.database.error(&error))
    }
}

pub(crate) async fn insert(connection: &mut sqlx::SqliteConnection, entry: &AuditEntry<'_>) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO audit (at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)")
        .bind(entry.at.as_micros())
        .bind(entry.actor)
        .bind(entry.action)
        .bind(entry.subject)
        .bind(entry.detail.to_string())
        .execute(connection)
        .await
        .map(drop)
}

fn row(row: &SqliteRow) -> sqlx::Result<AuditRow> {
    let detail: String = row.try_get("detail")?;
    Ok(AuditRow {
        id: unsigned(row.try_get("id")?),
        at: Timestamp::from_micros(row.try_get("at")?),
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
        detail: serde_json::from_str(&detail).unwrap_or(Value::Null),
    })
}
