use ambient::Timestamp;
use ledger::Nanos;
use serde_json::{Map, Value};
use snapshot::KeyHash;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::audit::{self, AuditEntry};
use crate::convert::{signed_option, time_option, unsigned_option};
use crate::database::Database;
use crate::{Cause, Error, Result};

/// The virtual keys.
#[derive(Debug)]
pub struct Keys<'s> {
    database: &'s Database,
}

/// One virtual key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRow {
    /// Lasts through rotation.
    pub id: String,
    /// Hash of the secret.
    pub hash: KeyHash,
    /// `sk-...` and the last four characters of the secret.
    pub key_name: String,
    /// Name given by people; unique among keys that are not deleted.
    pub alias: Option<String>,
    /// Models that it may use; empty allows all.
    pub models: Vec<String>,
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Requests at once.
    pub max_parallel: Option<u64>,
    /// What it may spend in all.
    pub max_budget: Option<Nanos>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// Whether it is blocked.
    pub blocked: bool,
    /// Whatever people attach.
    pub metadata: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted: kept only so that the books can name it.
    pub deleted_at: Option<Timestamp>,
}

/// What happens to a key's row.
#[derive(Clone, Debug)]
pub enum KeyChange<'a> {
    /// It is added.
    Add(&'a KeyRow),
    /// It is replaced, found by its id.
    Replace(&'a KeyRow),
}

// === impl Keys ===

impl<'s> Keys<'s> {
    pub(crate) const fn new(database: &'s Database) -> Self {
        Self { database }
    }

    /// All keys, deleted ones included, oldest first.
    pub async fn list(&self) -> Result<Vec<KeyRow>> {
        sqlx::query("SELECT * FROM keys ORDER BY created_at, id")
            .fetch_all(self.database.read()?)
            .await
            .and_then(|rows| rows.iter().map(row).collect())
            .map_err(|error| self.database.error(&error))
    }

    /// Makes all `changes`, or none. An alias or a secret that another key has is a [`Cause::Conflict`].
    pub async fn change(&self, changes: &[KeyChange<'_>], entries: &[AuditEntry<'_>]) -> Result<()> {
        let mut write = self.database.write().await?;
        for change in changes {
            let row = change.row();
            let statement = match change {
                KeyChange::Add(_) => INSERT,
                KeyChange::Replace(_) => UPDATE,
            };
            let done = execute(write.connection(), statement, row).await.map_err(|error| write.error(&error))?;
            if done == 0 {
                return Err(Error::new(self.database.name(), Cause::Conflict, format!("there is no key {}", row.id)));
            }
        }
        for entry in entries {
            audit::insert(write.connection(), entry).await.map_err(|error| write.error(&error))?;
        }
        write.commit().await
    }
}

// === impl KeyChange ===

impl<'a> KeyChange<'a> {
    /// The key as it is afterwards.
    pub const fn row(&self) -> &'a KeyRow {
        match self {
            Self::Add(row) | Self::Replace(row) => row,
        }
    }
}

const INSERT: &str = "INSERT INTO keys (id, hash, key_name, alias, models, rpm, max_parallel, max_budget, expires_at,
    blocked, metadata, created_at, updated_at, deleted_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

const UPDATE: &str = "UPDATE keys SET hash = $2, key_name = $3, alias = $4, models = $5, rpm = $6, max_parallel = $7,
    max_budget = $8, expires_at = $9, blocked = $10, metadata = $11, created_at = $12, updated_at = $13,
    deleted_at = $14 WHERE id = $1";

async fn execute(connection: &mut sqlx::SqliteConnection, statement: &'static str, key: &KeyRow) -> sqlx::Result<u64> {
    let done = sqlx::query(statement)
        .bind(&key.id)
        .bind(key.hash.to_string())
        .bind(&key.key_name)
        .bind(&key.alias)
        .bind(Value::from(key.models.clone()).to_string())
        .bind(signed_option(key.rpm))
        .bind(signed_option(key.max_parallel))
        .bind(key.max_budget.map(|nanos| nanos.0))
        .bind(key.expires_at.map(Timestamp::as_micros))
        .bind(key.blocked)
        .bind(Value::from(key.metadata.clone()).to_string())
        .bind(key.created_at.as_micros())
        .bind(key.updated_at.as_micros())
        .bind(key.deleted_at.map(Timestamp::as_micros))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

fn row(row: &SqliteRow) -> sqlx::Result<KeyRow> {
    let decode = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
    let (hash, models, metadata): (String, String, String) =
        (row.try_get("hash")?, row.try_get("models")?, row.try_get("metadata")?);
    Ok(KeyRow {
        id: row.try_get("id")?,
        hash: hash.parse::<KeyHash>().map_err(|error| decode(error.into()))?,
        key_name: row.try_get("key_name")?,
        alias: row.try_get("alias")?,
        models: serde_json::from_str(&models).map_err(|error| decode(error.into()))?,
        rpm: unsigned_option(row.try_get("rpm")?),
        max_parallel: unsigned_option(row.try_get("max_parallel")?),
        max_budget: row.try_get::<Option<i64>, _>("max_budget")?.map(Nanos),
        expires_at: time_option(row.try_get("expires_at")?),
        blocked: row.try_get("blocked")?,
        metadata: serde_json::from_str(&metadata).map_err(|error| decode(error.into()))?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        updated_at: Timestamp::from_micros(row.try_get("updated_at")?),
        deleted_at: time_option(row.try_get("deleted_at")?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::store;

    fn key(id: &str, alias: Option<&str>) -> KeyRow {
        KeyRow {
            id: id.into(),
            hash: KeyHash::of(id),
            key_name: "sk-...abcd".into(),
            alias: alias.map(Into::into),
            models: vec!["a".into(), "b/c".into()],
            rpm: Some(5),
            max_parallel: None,
            max_budget: Some(Nanos(7)),
            expires_at: Some(Timestamp::from_micros(9)),
            blocked: false,
            metadata: Map::from_iter([("team".to_owned(), json!({"x": [1]}))]),
            created_at: Timestamp::from_micros(1),
            updated_at: Timestamp::from_micros(2),
            deleted_at: None,
        }
    }

    #[tokio::test]
    async fn a_key_comes_back_as_it_was_put() {
        let (_home, store) = store().await;
        let mut row = key("k1", Some("alias"));
        store.keys().change(&[KeyChange::Add(&row)], &[]).await.unwrap();
        assert_eq!(store.keys().list().await.unwrap(), [row.clone()]);
        row.blocked = true;
        row.hash = KeyHash::of("rotated");
        store.keys().change(&[KeyChange::Replace(&row)], &[]).await.unwrap();
        assert_eq!(store.keys().list().await.unwrap(), [row]);
    }

    #[tokio::test]
    async fn aliases_and_secrets_are_unique_until_the_key_is_deleted() {
        let (_home, store) = store().await;
        let first = key("k1", Some("alias"));
        store.keys().change(&[KeyChange::Add(&first)], &[]).await.unwrap();
        let same_alias = key("k2", Some("alias"));
        let same_hash = KeyRow { hash: first.hash, ..key("k3", None) };
        for other in [&same_alias, &same_hash] {
            let error = store.keys().change(&[KeyChange::Add(other)], &[]).await.unwrap_err();
            assert_eq!(error.cause, Cause::Conflict);
        }
        let deleted = KeyRow { deleted_at: Some(Timestamp::from_micros(3)), ..first };
        store.keys().change(&[KeyChange::Replace(&deleted)], &[]).await.unwrap();
        store.keys().change(&[KeyChange::Add(&same_alias), KeyChange::Add(&same_hash)], &[]).await.unwrap();
    }

    #[tokio::test]
    async fn changes_are_made_together_or_not_at_all() {
        let (_home, store) = store().await;
        let (new, unknown) = (key("k1", None), key("k2", None));
        let changes = [KeyChange::Add(&new), KeyChange::Replace(&unknown)];
        assert_eq!(store.keys().change(&changes, &[]).await.unwrap_err().cause, Cause::Conflict);
        assert_eq!(store.keys().list().await.unwrap(), []);
    }
}
