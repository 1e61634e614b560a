use std::sync::Arc;

use ambient::Timestamp;
use snapshot::{Key, Team};

use crate::admit::{Applied, Kind, ScopeTable};

/// A key, the team that it belongs to, and what both have in use.
#[derive(Debug)]
pub(crate) struct KeyState {
    pub(crate) key: Key,
    pub(crate) team: Option<Arc<TeamState>>,
    pub(crate) applied: Arc<Applied>,
}

/// A team and what its keys have in use together.
#[derive(Debug)]
pub(crate) struct TeamState {
    pub(crate) team: Team,
    pub(crate) applied: Arc<Applied>,
}

// === impl KeyState ===

impl KeyState {
    pub(super) fn new(key: &Key, team: Option<&Arc<TeamState>>, scopes: &mut ScopeTable, now: Timestamp) -> Self {
        let name = format!("key '{}'", key.alias.as_deref().unwrap_or(&key.id));
        let applied = scopes.applied((Kind::Key, &key.id), name, &key.limits, &key.spent, now);
        Self { key: key.clone(), team: team.cloned(), applied }
    }

    /// Whether it is what would be made of this key in this team.
    pub(super) fn is_still(&self, key: &Key, team: Option<&Arc<TeamState>>) -> bool {
        self.key == *key && self.is_of(team)
    }

    /// A key must not get free of its team's limits because the team is missing.
    pub(crate) fn is_blocked(&self) -> bool {
        self.key.blocked || (self.key.team.is_some() && self.team.is_none())
    }

    fn is_of(&self, team: Option<&Arc<TeamState>>) -> bool {
        match (&self.team, team) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// The model that the key means by `name`.
    pub(crate) fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        self.key.aliases.get(name).map_or(name, String::as_str)
    }

    /// Whether both the key and its team allow `model`, whatever names stand for it.
    pub(crate) fn allows(&self, model: &str) -> bool {
        let allows = |models: &[String]| models.is_empty() || models.iter().any(|allowed| allowed == model);
        allows(&self.key.models) && self.team.as_ref().is_none_or(|team| allows(&team.team.models))
    }
}

// === impl TeamState ===

impl TeamState {
    /// Goes on as `previous` where nothing differs.
    pub(super) fn next(
        previous: Option<&Arc<Self>>,
        team: &Team,
        scopes: &mut ScopeTable,
        now: Timestamp,
    ) -> Arc<Self> {
        if let Some(same) = previous.filter(|state| state.team == *team) {
            same.applied.follow(&team.spent, now);
            return same.clone();
        }
        let name = format!("team '{}'", team.alias.as_deref().unwrap_or(&team.id));
        let applied = scopes.applied((Kind::Team, &team.id), name, &team.limits, &team.spent, now);
        Arc::new(Self { team: team.clone(), applied })
    }
}
