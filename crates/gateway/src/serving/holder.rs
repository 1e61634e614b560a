use std::sync::Arc;

use snapshot::{Key, Team};

use crate::admit::Applied;

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
