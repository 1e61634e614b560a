use std::collections::BTreeMap;

use ambient::Timestamp;
use serde_json::{Map, Value};
use snapshot::{KeyHash, KeyKind, KeyRouting};

use crate::audit::{self, AuditEntry};
use crate::database::{Database, Row, Value as Arg, Write, args};
use crate::labels::Labels;
use crate::{Result, RowLimits};

/// The keys.
#[derive(Debug)]
pub struct Keys<'s> {
    database: &'s Database,
    labels: &'s Labels,
}

/// One key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRow {
    /// Lasts through rotation.
    pub id: String,
    /// Hash of the secret.
    pub hash: KeyHash,
    /// What it is good for.
    pub kind: KeyKind,
    /// `sk-...` and the last four characters of the secret.
    pub key_name: String,
    /// Name given by people; unique among keys that are not deleted.
    pub alias: Option<String>,
    /// Models that it may use; empty allows all.
    pub models: Vec<String>,
    /// Names that stand for models when this key says them.
    pub aliases: BTreeMap<String, String>,
    /// What it may use.
    pub limits: RowLimits,
    /// Whom it belongs to.
    pub owner: Option<String>,
    /// Id of the team that it belongs to.
    pub team: Option<String>,
    /// What its requests are labelled with in the books.
    pub tags: Vec<String>,
    /// Further tries after a failed one, where they differ from the settings.
    pub retries: Option<u32>,
    /// What else it has in place of the settings of routing.
    pub routing: KeyRouting,
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
    pub(crate) const fn new(database: &'s Database, labels: &'s Labels) -> Self {
        Self { database, labels }
    }

    /// All keys, deleted ones included, oldest first.
    pub async fn list(&self) -> Result<Vec<KeyRow>> {
        self.database.fetch_all("SELECT * FROM keys ORDER BY created_at, id", &[]).await?.iter().map(row).collect()
    }

    /// All keys, as somebody else may have left them: what is taken into the books from now on is labelled by them.
    pub async fn reread(&self) -> Result<Vec<KeyRow>> {
        let rows = self.list().await?;
        for row in &rows {
            self.labels.put(row);
        }
        Ok(rows)
    }

    /// Makes all `changes`, or none. An alias or a secret that another key has is a [`Cause::Conflict`](crate::Cause::Conflict).
    pub async fn change(&self, changes: &[KeyChange<'_>], entries: &[AuditEntry<'_>]) -> Result<()> {
        let mut write = self.database.write().await?;
        change_all(&mut write, changes).await?;
        for entry in entries {
            audit::insert(&mut write, entry).await?;
        }
        write.commit().await?;
        for change in changes {
            self.labels.put(change.row());
        }
        Ok(())
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

/// Makes all changes, within a transaction.
pub(crate) async fn change_all(write: &mut Write<'_>, changes: &[KeyChange<'_>]) -> Result<()> {
    for change in changes {
        let row = change.row();
        let statement = match change {
            KeyChange::Add(_) => INSERT,
            KeyChange::Replace(_) => UPDATE,
        };
        if execute(write, statement, row).await? == 0 {
            return Err(write.conflict(format!("there is no key {}", row.id)));
        }
    }
    Ok(())
}

const INSERT: &str = "INSERT INTO keys (id, hash, key_name, alias, models, rpm, max_parallel, max_budget, expires_at,
    blocked, metadata, created_at, updated_at, deleted_at, kind, aliases, tpm, budget_period, owner, team_id, tags, retries,
    routing)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
    $23)";

const UPDATE: &str = "UPDATE keys SET hash = $2, key_name = $3, alias = $4, models = $5, rpm = $6, max_parallel = $7,
    max_budget = $8, expires_at = $9, blocked = $10, metadata = $11, created_at = $12, updated_at = $13,
    deleted_at = $14, kind = $15, aliases = $16, tpm = $17, budget_period = $18, owner = $19, team_id = $20, tags = $21,
    retries = $22, routing = $23 WHERE id = $1";

async fn execute(write: &mut Write<'_>, statement: &'static str, key: &KeyRow) -> Result<u64> {
    let aliases: Map<_, _> =
        key.aliases.iter().map(|(alias, name)| (alias.clone(), Value::from(name.as_str()))).collect();
    let args = args![
        &key.id,
        key.hash.to_string(),
        &key.key_name,
        &key.alias,
        Arg::json(key.models.clone()),
        key.limits.rpm,
        key.limits.max_parallel,
        key.limits.max_budget,
        key.expires_at,
        key.blocked,
        Arg::json(key.metadata.clone()),
        key.created_at,
        key.updated_at,
        key.deleted_at,
        kind_word(key.kind),
        Arg::json(aliases),
        key.limits.tpm,
        key.limits.budget_period.map(|period| period.to_string()),
        &key.owner,
        &key.team,
        Arg::json(key.tags.clone()),
        key.retries,
        // Cannot fail: its keys are strings.
        serde_json::to_string(&key.routing).unwrap_or_default(),
    ];
    write.execute(statement, args).await
}

const fn kind_word(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Virtual => "virtual",
        KeyKind::Direct => "direct",
    }
}

fn row(row: &Row) -> Result<KeyRow> {
    let text = |name: &str| row.get::<String>(name);
    Ok(KeyRow {
        id: row.get("id")?,
        hash: text("hash")?.parse::<KeyHash>().map_err(|error| row.unreadable("hash", &error))?,
        kind: match text("kind")?.as_str() {
            "virtual" => KeyKind::Virtual,
            "direct" => KeyKind::Direct,
            other => return Err(row.unreadable("kind", &format!("there is no kind `{other}`"))),
        },
        key_name: row.get("key_name")?,
        alias: row.get("alias")?,
        models: row.json("models")?,
        aliases: row.json("aliases")?,
        limits: RowLimits::of(row)?,
        owner: row.get("owner")?,
        team: row.get("team_id")?,
        tags: row.json("tags")?,
        retries: row.get("retries")?,
        routing: row.json("routing")?,
        expires_at: row.get("expires_at")?,
        blocked: row.get("blocked")?,
        metadata: row.json("metadata")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        deleted_at: row.get("deleted_at")?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use ledger::Nanos;
    use serde_json::json;

    use super::*;
    use crate::Cause;
    use crate::testing::{Backend, contract};

    contract!(
        a_key_comes_back_as_it_was_put,
        aliases_and_secrets_are_unique_until_the_key_is_deleted,
        changes_are_made_together_or_not_at_all
    );

    pub(crate) fn key(id: &str, alias: Option<&str>) -> KeyRow {
        KeyRow {
            id: id.into(),
            hash: KeyHash::of(id),
            key_name: "sk-...abcd".into(),
            alias: alias.map(Into::into),
            models: vec!["a".into(), "b/c".into()],
            kind: KeyKind::Direct,
            aliases: BTreeMap::from([("gpt".to_owned(), "a".to_owned())]),
            limits: RowLimits {
                rpm: Some(5),
                tpm: Some(6),
                max_parallel: None,
                max_budget: Some(Nanos(7)),
                budget_period: Some("1mo".parse().unwrap()),
            },
            owner: Some("ann".into()),
            team: Some("t".into()),
            tags: vec!["ci".into()],
            retries: Some(0),
            routing: KeyRouting {
                strategy: Some(snapshot::Strategy::CostBasedRouting),
                fallbacks: BTreeMap::from([("a".into(), vec!["b/c".into()])]),
                disable_fallbacks: true,
            },
            expires_at: Some(Timestamp::from_micros(9)),
            blocked: false,
            metadata: Map::from_iter([("team".to_owned(), json!({"x": [1]}))]),
            created_at: Timestamp::from_micros(1),
            updated_at: Timestamp::from_micros(2),
            deleted_at: None,
        }
    }

    async fn a_key_comes_back_as_it_was_put(backend: Backend) {
        let store = backend.open().await;
        let mut row = key("k1", Some("alias"));
        store.keys().change(&[KeyChange::Add(&row)], &[]).await.unwrap();
        assert_eq!(store.keys().list().await.unwrap(), [row.clone()]);
        row.blocked = true;
        row.hash = KeyHash::of("rotated");
        store.keys().change(&[KeyChange::Replace(&row)], &[]).await.unwrap();
        assert_eq!(store.keys().list().await.unwrap(), [row]);
    }

    async fn aliases_and_secrets_are_unique_until_the_key_is_deleted(backend: Backend) {
        let store = backend.open().await;
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

    async fn changes_are_made_together_or_not_at_all(backend: Backend) {
        let store = backend.open().await;
        let (new, unknown) = (key("k1", None), key("k2", None));
        let changes = [KeyChange::Add(&new), KeyChange::Replace(&unknown)];
        assert_eq!(store.keys().change(&changes, &[]).await.unwrap_err().cause, Cause::Conflict);
        assert_eq!(store.keys().list().await.unwrap(), []);
    }
}
