use std::sync::Arc;

use std::collections::BTreeMap;

use ambient::Timestamp;
use parking_lot::RwLock;
use serde_json::{Map, Value, json};
use snapshot::{KeyHash, KeyKind, KeyRouting, Secret};
use store::{AuditEntry, KeyChange, KeyRow, RowLimits};

use crate::publish::GatewayBehind;
use crate::secrets::{self, UnfitKey};
use crate::{Actor, Manager};

mod amount;
mod check;
mod difference;
mod duration;
mod edit;
mod expired;
mod seen;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use amount::{UnfitAmount, nanos};
pub(crate) use check::{ALIAS_BYTES, UnfitField, check_limits, check_metadata, check_models, check_name};
pub(crate) use duration::after;
pub(crate) use edit::{Edit, KeyEdit, LimitsEdit};
pub(crate) use seen::Seen;

/// Rows of all keys as the store holds them, for reading without it.
#[derive(Debug)]
pub(crate) struct KeyTable {
    rows: RwLock<Arc<Vec<KeyRow>>>,
    /// Held while keys are changed: checks, commit and the table belong together.
    changing: tokio::sync::Mutex<()>,
}

/// What people decide about a key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeyFields {
    pub(crate) alias: Option<String>,
    pub(crate) models: Vec<String>,
    /// Only when it is made.
    pub(crate) kind: KeyKind,
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) limits: RowLimits,
    pub(crate) owner: Option<String>,
    /// Id or alias of a team; its id once it is checked.
    pub(crate) team: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) retries: Option<u32>,
    pub(crate) routing: KeyRouting,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) blocked: bool,
    pub(crate) metadata: Map<String, Value>,
}

/// A key that was changed.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) row: KeyRow,
    /// Whether the gateway has taken it over.
    pub(crate) behind: Result<(), GatewayBehind>,
}

/// A key that was made, or got a new secret.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The only time that it is known.
    pub(crate) secret: Secret,
    pub(crate) changed: Changed,
}

/// A key cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("there is no such key")]
    NotFound,
    #[error("the key {0} was changed meanwhile")]
    Stale(String),
    #[error("another key has the alias `{0}`; choose another alias")]
    AliasTaken(String),
    #[error("there is no team `{0}`; make it first")]
    NoTeam(String),
    #[error("another key has this secret; choose another, or none to have one made")]
    SecretTaken,
    #[error(transparent)]
    Unfit(#[from] UnfitKey),
    #[error(transparent)]
    Field(#[from] UnfitField),
    #[error(transparent)]
    Store(#[from] store::Error),
}

// === impl KeyTable ===

impl KeyTable {
    pub(crate) fn new(rows: Vec<KeyRow>) -> Self {
        Self { rows: RwLock::new(Arc::new(rows)), changing: tokio::sync::Mutex::new(()) }
    }

    /// All keys, deleted ones included, oldest first.
    pub(crate) fn rows(&self) -> Arc<Vec<KeyRow>> {
        self.rows.read().clone()
    }

    /// The key that `name` means: its id, its hash or its alias.
    pub(crate) fn find(&self, name: &str) -> Result<KeyRow, KeyError> {
        let rows = self.rows();
        let hash = name.parse::<KeyHash>().ok();
        let live = || rows.iter().filter(|row| row.deleted_at.is_none());
        let found = live()
            .find(|row| row.id == name || Some(row.hash) == hash)
            .or_else(|| live().find(|row| row.alias.as_deref() == Some(name)));
        found.cloned().ok_or(KeyError::NotFound)
    }

    /// Held while keys or teams are changed: checks, commit and the tables belong together.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Takes over all keys as they are stored; whether any was different.
    pub(crate) fn replace(&self, rows: Vec<KeyRow>) -> bool {
        let mut known = self.rows.write();
        let is_new = **known != rows;
        *known = Arc::new(rows);
        is_new
    }

    pub(crate) fn put(&self, row: KeyRow) {
        let mut rows = self.rows.write();
        let rows = Arc::make_mut(&mut rows);
        match rows.iter_mut().find(|other| other.id == row.id) {
            Some(other) => *other = row,
            None => rows.push(row),
        }
    }

    fn check_unique(&self, row: &KeyRow) -> Result<(), KeyError> {
        let rows = self.rows();
        let mut others = rows.iter().filter(|other| other.id != row.id && other.deleted_at.is_none());
        let clash = others.find(|other| other.hash == row.hash || (row.alias.is_some() && other.alias == row.alias));
        match clash {
            Some(other) if other.hash == row.hash => Err(KeyError::SecretTaken),
            Some(_) => Err(KeyError::AliasTaken(row.alias.clone().unwrap_or_default())),
            None => Ok(()),
        }
    }
}

// === impl Manager ===

impl Manager {
    /// Makes a key, with a secret of its own unless one is given.
    pub(crate) async fn create_key(
        &self,
        fields: KeyFields,
        secret: Option<Secret>,
        actor: &Actor,
    ) -> Result<Issued, KeyError> {
        let secret = self.secret_or_new(secret)?;
        let now = self.config().clock.now();
        let mut row = KeyRow {
            id: format!("key-{}", hex::encode(self.config().rng.bytes::<8>())),
            hash: KeyHash::of(secret.expose()),
            kind: fields.kind,
            key_name: secrets::shown(&secret),
            alias: None,
            models: Vec::new(),
            aliases: BTreeMap::new(),
            limits: RowLimits::default(),
            owner: None,
            team: None,
            tags: Vec::new(),
            retries: None,
            routing: KeyRouting::default(),
            expires_at: None,
            blocked: false,
            metadata: Map::new(),
            created_at: now,
            updated_at: now,
            deleted_at: None,
        };
        let _changing = self.inner().keys.changing().await;
        set_fields(&mut row, self.checked(fields)?);
        let changed = self.commit_key(KeyChange::Add(&row), "key.create", actor).await?;
        Ok(Issued { secret, changed })
    }

    /// Changes what people decide about a key.
    pub(crate) async fn update_key(
        &self,
        name: &str,
        action: &str,
        actor: &Actor,
        edit: KeyEdit,
    ) -> Result<Changed, KeyError> {
        let _changing = self.inner().keys.changing().await;
        let mut row = self.inner().keys.find(name)?;
        if !edit.seen.is_still(row.updated_at) {
            return Err(KeyError::Stale(row.id));
        }
        let mut fields = fields_of(&row);
        edit.apply(&mut fields);
        set_fields(&mut row, self.checked(fields)?);
        row.updated_at = self.config().clock.now();
        self.commit_key(KeyChange::Replace(&row), action, actor).await
    }

    /// Gives a key another secret; the old one stops working. `edit` changes more of it in the same go.
    pub(crate) async fn rotate_key(
        &self,
        name: &str,
        secret: Option<Secret>,
        actor: &Actor,
        edit: KeyEdit,
    ) -> Result<Issued, KeyError> {
        let secret = self.secret_or_new(secret)?;
        let _changing = self.inner().keys.changing().await;
        let mut row = self.inner().keys.find(name)?;
        let mut fields = fields_of(&row);
        edit.apply(&mut fields);
        set_fields(&mut row, self.checked(fields)?);
        row.hash = KeyHash::of(secret.expose());
        row.key_name = secrets::shown(&secret);
        row.updated_at = self.config().clock.now();
        let changed = self.commit_key(KeyChange::Replace(&row), "key.rotate", actor).await?;
        Ok(Issued { secret, changed })
    }

    /// Deletes a key; the books keep its name.
    pub(crate) async fn delete_key(&self, name: &str, seen: &Seen, actor: &Actor) -> Result<Changed, KeyError> {
        let _changing = self.inner().keys.changing().await;
        let old = self.inner().keys.find(name)?;
        if !seen.is_still(old.updated_at) {
            return Err(KeyError::Stale(old.id));
        }
        let row = self.deleted(name)?;
        let behind = self.commit_keys(&[KeyChange::Replace(&row)], "key.delete", actor).await?;
        Ok(Changed { row, behind })
    }

    /// Deletes several keys, or none if one of them is not there.
    pub(crate) async fn delete_keys(&self, names: &[String], actor: &Actor) -> Result<(), KeyError> {
        let _changing = self.inner().keys.changing().await;
        let rows: Vec<_> = names.iter().map(|name| self.deleted(name)).collect::<Result<_, _>>()?;
        let changes: Vec<_> = rows.iter().map(KeyChange::Replace).collect();
        if let Err(behind) = self.commit_keys(&changes, "key.delete", actor).await? {
            tracing::warn!(%behind, "keys deleted");
        }
        Ok(())
    }

    /// What to say of an allow-list that names models which do not exist: they may be applied later.
    pub(crate) fn unknown_models(&self, models: &[String]) -> Option<String> {
        let current = self.current();
        let is_known = |name: &String| current.document.models.iter().any(|model| model.name == *name);
        let unknown: Vec<_> = models.iter().filter(|name| !is_known(name)).map(|name| format!("`{name}`")).collect();
        let text = || {
            format!("models names {}, but nothing of that name is applied now; check the spelling", unknown.join(", "))
        };
        (!unknown.is_empty()).then(text)
    }

    /// The fields, with the team's id for its name; call it with the table's `changing` held.
    fn checked(&self, mut fields: KeyFields) -> Result<KeyFields, KeyError> {
        check::check(&fields)?;
        if let Some(name) = fields.team.take() {
            let team = self.inner().teams.find(&name).ok_or(KeyError::NoTeam(name))?;
            fields.team = Some(team.id);
        }
        Ok(fields)
    }

    /// The key as it is once it is deleted.
    fn deleted(&self, name: &str) -> Result<KeyRow, KeyError> {
        let mut row = self.inner().keys.find(name)?;
        row.updated_at = self.config().clock.now();
        row.deleted_at = Some(row.updated_at);
        Ok(row)
    }

    async fn commit_key(&self, change: KeyChange<'_>, action: &str, actor: &Actor) -> Result<Changed, KeyError> {
        let row = change.row().clone();
        self.inner().keys.check_unique(&row)?;
        Ok(Changed { behind: self.commit_keys(&[change], action, actor).await?, row })
    }

    /// Commits and publishes; call it with the table's `changing` held. Whether the gateway has taken it over.
    async fn commit_keys(
        &self,
        changes: &[KeyChange<'_>],
        action: &str,
        actor: &Actor,
    ) -> Result<Result<(), GatewayBehind>, store::Error> {
        let before = self.inner().keys.rows();
        let old = |row: &KeyRow| before.iter().find(|old| old.id == row.id);
        let entries: Vec<_> =
            changes.iter().map(|change| entry(change.row(), old(change.row()), action, actor)).collect();
        self.store().keys().change(changes, &entries).await?;
        for change in changes {
            self.inner().keys.put(change.row().clone());
        }
        Ok(self.publish_and_wait().await)
    }

    fn secret_or_new(&self, secret: Option<Secret>) -> Result<Secret, UnfitKey> {
        let secret = secret.unwrap_or_else(|| secrets::generate(&self.config().rng));
        secrets::check(&secret)?;
        Ok(secret)
    }
}

fn entry<'a>(row: &'a KeyRow, old: Option<&KeyRow>, action: &'a str, actor: &'a Actor) -> AuditEntry<'a> {
    let mut detail = json!({ "alias": row.alias, "key_name": row.key_name });
    if let Some(old) = old {
        detail["fields"] = difference::difference(old, row).into();
    }
    AuditEntry { at: row.updated_at, by: actor.by(), action, subject: &row.id, detail }
}

fn fields_of(row: &KeyRow) -> KeyFields {
    KeyFields {
        alias: row.alias.clone(),
        models: row.models.clone(),
        kind: row.kind,
        aliases: row.aliases.clone(),
        limits: row.limits.clone(),
        owner: row.owner.clone(),
        team: row.team.clone(),
        tags: row.tags.clone(),
        retries: row.retries,
        routing: row.routing.clone(),
        expires_at: row.expires_at,
        blocked: row.blocked,
        metadata: row.metadata.clone(),
    }
}

fn set_fields(row: &mut KeyRow, fields: KeyFields) {
    row.alias = fields.alias;
    row.models = fields.models;
    row.aliases = fields.aliases;
    row.limits = fields.limits;
    row.owner = fields.owner;
    row.team = fields.team;
    row.tags = fields.tags;
    row.retries = fields.retries;
    row.routing = fields.routing;
    row.expires_at = fields.expires_at;
    row.blocked = fields.blocked;
    row.metadata = fields.metadata;
}
