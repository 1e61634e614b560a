//! Teams: keys that share limits and an allow-list.

use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::{Map, Value, json};
use store::{AuditEntry, KeyChange, KeyRow, RowLimits, TeamChange, TeamRow};

use crate::keys::{Edit, LimitsEdit, Seen, UnfitField, check_models, check_name};
use crate::publish::GatewayBehind;
use crate::{Actor, Manager};

mod difference;
#[cfg(test)]
mod tests;

/// Bytes that a team's id may have.
const ID_BYTES: usize = 128;

/// Rows of all teams as the store holds them, for reading without it.
#[derive(Debug)]
pub(crate) struct TeamTable(RwLock<Arc<Vec<TeamRow>>>);

/// What people decide about a team.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TeamFields {
    pub(crate) alias: Option<String>,
    pub(crate) models: Vec<String>,
    pub(crate) limits: RowLimits,
    pub(crate) blocked: bool,
    pub(crate) metadata: Map<String, Value>,
}

/// What becomes of the fields of a team.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TeamEdit {
    /// What it must still be.
    pub(crate) seen: Seen,
    pub(crate) alias: Edit<Option<String>>,
    pub(crate) models: Edit<Vec<String>>,
    pub(crate) limits: LimitsEdit,
    pub(crate) blocked: Edit<bool>,
    pub(crate) metadata: Edit<Map<String, Value>>,
}

/// A team that was changed.
#[derive(Debug)]
pub(crate) struct ChangedTeam {
    pub(crate) row: TeamRow,
    /// Whether the gateway has taken it over.
    pub(crate) behind: Result<(), GatewayBehind>,
}

/// A team cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TeamError {
    #[error("there is no such team")]
    NotFound,
    #[error("the team {0} was changed meanwhile")]
    Stale(String),
    #[error("another team has the id `{0}`; choose another id, or none to have one made")]
    IdTaken(String),
    #[error("another team has the alias `{0}`; choose another alias")]
    AliasTaken(String),
    #[error(transparent)]
    Field(#[from] UnfitField),
    #[error(transparent)]
    Store(#[from] store::Error),
}

// === impl TeamTable ===

impl TeamTable {
    pub(crate) fn new(rows: Vec<TeamRow>) -> Self {
        Self(RwLock::new(Arc::new(rows)))
    }

    /// Takes over all teams as they are stored; whether any was different.
    pub(crate) fn replace(&self, rows: Vec<TeamRow>) -> bool {
        let mut known = self.0.write();
        let is_new = **known != rows;
        *known = Arc::new(rows);
        is_new
    }

    /// All teams, oldest first.
    pub(crate) fn rows(&self) -> Arc<Vec<TeamRow>> {
        self.0.read().clone()
    }

    /// The team that `name` means: its id or its alias.
    pub(crate) fn find(&self, name: &str) -> Option<TeamRow> {
        let rows = self.rows();
        let by_id = rows.iter().find(|row| row.id == name);
        by_id.or_else(|| rows.iter().find(|row| row.alias.as_deref() == Some(name))).cloned()
    }

    fn put(&self, change: &TeamChange<'_>) {
        let mut rows = self.0.write();
        let rows = Arc::make_mut(&mut rows);
        let row = change.row();
        match change {
            TeamChange::Add(_) => rows.push(row.clone()),
            TeamChange::Replace(_) => {
                if let Some(other) = rows.iter_mut().find(|other| other.id == row.id) {
                    other.clone_from(row);
                }
            }
            TeamChange::Remove(_) => rows.retain(|other| other.id != row.id),
        }
    }

    fn check_alias(&self, row: &TeamRow) -> Result<(), TeamError> {
        let is_taken = |other: &TeamRow| other.id != row.id && other.alias.is_some() && other.alias == row.alias;
        let taken = self.rows().iter().any(is_taken);
        if taken { Err(TeamError::AliasTaken(row.alias.clone().unwrap_or_default())) } else { Ok(()) }
    }
}

// === impl TeamEdit ===

impl TeamEdit {
    /// Blocks or unblocks.
    pub(crate) fn blocked(blocked: bool) -> Self {
        Self { blocked: Edit::Set(blocked), ..Self::default() }
    }

    /// Makes the changes.
    pub(crate) fn apply(self, fields: &mut TeamFields) {
        let Self { seen: _, alias, models, limits, blocked, metadata } = self;
        alias.apply(&mut fields.alias);
        models.apply(&mut fields.models);
        limits.apply(&mut fields.limits);
        blocked.apply(&mut fields.blocked);
        metadata.apply(&mut fields.metadata);
    }
}

// === impl Manager ===

impl Manager {
    /// Makes a team, with an id of its own unless one is given.
    pub(crate) async fn create_team(
        &self,
        id: Option<String>,
        fields: TeamFields,
        actor: &Actor,
    ) -> Result<ChangedTeam, TeamError> {
        let now = self.config().clock.now();
        let id = id.unwrap_or_else(|| format!("team-{}", hex::encode(self.config().rng.bytes::<8>())));
        check_name("id", &id, ID_BYTES)?;
        let row = row_of(id, fields, now);
        check(&row)?;
        let _changing = self.inner().keys.changing().await;
        if self.inner().teams.rows().iter().any(|other| other.id == row.id) {
            return Err(TeamError::IdTaken(row.id));
        }
        self.commit_team(&TeamChange::Add(&row), &[], "team.create", actor).await
    }

    /// Changes what people decide about a team.
    pub(crate) async fn update_team(
        &self,
        name: &str,
        action: &str,
        actor: &Actor,
        edit: TeamEdit,
    ) -> Result<ChangedTeam, TeamError> {
        let _changing = self.inner().keys.changing().await;
        let old = self.inner().teams.find(name).ok_or(TeamError::NotFound)?;
        if !edit.seen.is_still(old.updated_at) {
            return Err(TeamError::Stale(old.id));
        }
        let mut fields = TeamFields {
            alias: old.alias,
            models: old.models,
            limits: old.limits,
            blocked: old.blocked,
            metadata: old.metadata,
        };
        edit.apply(&mut fields);
        let row = TeamRow { created_at: old.created_at, ..row_of(old.id, fields, self.config().clock.now()) };
        check(&row)?;
        self.commit_team(&TeamChange::Replace(&row), &[], action, actor).await
    }

    /// Deletes a team and all its keys: a key without its team would be free of the team's limits.
    pub(crate) async fn delete_team(&self, name: &str, seen: &Seen, actor: &Actor) -> Result<ChangedTeam, TeamError> {
        let _changing = self.inner().keys.changing().await;
        let mut row = self.inner().teams.find(name).ok_or(TeamError::NotFound)?;
        if !seen.is_still(row.updated_at) {
            return Err(TeamError::Stale(row.id));
        }
        row.updated_at = self.config().clock.now();
        let keys: Vec<_> = self.keys_of_team(&row.id).into_iter().map(|key| deleted(key, &row)).collect();
        self.commit_team(&TeamChange::Remove(&row), &keys, "team.delete", actor).await
    }

    /// The keys that belong to a team, oldest first.
    pub(crate) fn keys_of_team(&self, id: &str) -> Vec<KeyRow> {
        let rows = self.inner().keys.rows();
        let mine = rows.iter().filter(|key| key.deleted_at.is_none() && key.team.as_deref() == Some(id));
        mine.cloned().collect()
    }

    /// Commits and publishes; call it with the key table's `changing` held.
    async fn commit_team(
        &self,
        change: &TeamChange<'_>,
        keys: &[KeyRow],
        action: &str,
        actor: &Actor,
    ) -> Result<ChangedTeam, TeamError> {
        let row = change.row().clone();
        self.inner().teams.check_alias(&row)?;
        let entry =
            |subject, action, detail| AuditEntry { at: row.updated_at, by: actor.by(), action, subject, detail };
        let of_keys = keys.iter().map(|key| {
            entry(
                key.id.as_str(),
                "key.delete",
                json!({ "alias": key.alias, "key_name": key.key_name, "team": row.id }),
            )
        });
        let mut detail = json!({ "alias": row.alias });
        if let Some(old) = self.inner().teams.find(&row.id) {
            detail["fields"] = difference::difference(&old, &row).into();
        }
        let entries: Vec<_> = std::iter::once(entry(row.id.as_str(), action, detail)).chain(of_keys).collect();
        let key_changes: Vec<_> = keys.iter().map(KeyChange::Replace).collect();
        self.store().teams().change(change, &key_changes, &entries).await?;
        self.inner().teams.put(change);
        for key in keys {
            self.inner().keys.put(key.clone());
        }
        Ok(ChangedTeam { behind: self.publish_and_wait().await, row })
    }
}

fn row_of(id: String, fields: TeamFields, now: ambient::Timestamp) -> TeamRow {
    let TeamFields { alias, models, limits, blocked, metadata } = fields;
    TeamRow { id, alias, models, limits, blocked, metadata, created_at: now, updated_at: now }
}

fn deleted(key: KeyRow, team: &TeamRow) -> KeyRow {
    KeyRow { updated_at: team.updated_at, deleted_at: Some(team.updated_at), ..key }
}

/// Whether a team can be so.
fn check(row: &TeamRow) -> Result<(), UnfitField> {
    if let Some(alias) = &row.alias {
        check_name("alias", alias, crate::keys::ALIAS_BYTES)?;
    }
    check_models(&row.models)?;
    crate::keys::check_limits(&row.limits)?;
    crate::keys::check_metadata(&row.metadata)
}
