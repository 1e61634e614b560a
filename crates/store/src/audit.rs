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

/// Who does something, and how they got in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By<'a> {
    /// Who: `owner` (control socket), `master` (master key), `import`, an account's name ...
    pub actor: &'a str,
    /// How: `socket`, `session` ...
    pub via: &'a str,
    /// Address that it came from, if it came over a network.
    pub remote: Option<&'a str>,
}

/// Something that was done, written in the transaction that does it.
#[derive(Clone, Debug)]
pub struct AuditEntry<'a> {
    /// When.
    pub at: Timestamp,
    /// Who, and how.
    pub by: By<'a>,
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
    /// How they got in; empty where that was not noted yet.
    pub via: String,
    /// Address that it came from, if it came over a network.
    pub remote: Option<String>,
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
        sqlx::query("SELECT id, at, actor, via, remote, action, subject, detail FROM audit ORDER BY id DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.database.read()?)
            .await
            .and_then(|rows| rows.iter().map(row).collect())
            .map_err(|error| self.database.error(&error))
    }
}

pub(crate) async fn insert(connection: &mut sqlx::SqliteConnection, entry: &AuditEntry<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO audit (at, actor, via, remote, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(entry.at.as_micros())
    .bind(entry.by.actor)
    .bind(entry.by.via)
    .bind(entry.by.remote)
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
        via: row.try_get("via")?,
        remote: row.try_get("remote")?,
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
        detail: serde_json::from_str(&detail).unwrap_or(Value::Null),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::store;

    #[tokio::test]
    async fn what_was_noted_can_neither_be_changed_nor_removed() {
        let (_home, store) = store().await;
        let by = By { actor: "ann", via: "session", remote: Some("10.0.0.5") };
        let at = Timestamp::from_micros(7);
        let entry = AuditEntry { at, by, action: "open.off", subject: "open_routes", detail: json!({}) };
        store.settings().set_audited("open_routes", "shut", &entry).await.unwrap();

        for statement in ["UPDATE audit SET actor = 'bob'", "DELETE FROM audit"] {
            let mut write = store.main.write().await.unwrap();
            let error = sqlx::query(statement).execute(write.connection()).await.unwrap_err();
            assert!(error.to_string().contains("append-only"), "{statement}: {error}");
        }
        let rows = store.audit().list(10).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].actor.as_str(), rows[0].via.as_str()), ("ann", "session"));
        assert_eq!(rows[0].remote.as_deref(), Some("10.0.0.5"));
    }
}
