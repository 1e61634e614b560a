use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ambient::Timestamp;
use snapshot::{Limits, Spent};

use super::{Applied, Scope};

/// What a scope belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Key,
    Team,
    Model,
    /// All requests together; its id is empty.
    Everything,
}

/// The counters of everything that can have limits, by what it is and its id. They outlive snapshots: also those of a
/// team or model that is gone, because what comes back under the same name has spent what it had spent. Only operators make
/// names, so their number is bounded.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeTable(HashMap<(Kind, Arc<str>), Arc<Scope>>);

// === impl ScopeTable ===

impl ScopeTable {
    /// The scope under `limits`. One that is new begins with `spent`.
    pub(crate) fn applied(
        &mut self,
        (kind, id): (Kind, &Arc<str>),
        name: String,
        limits: &Limits,
        spent: &Spent,
        now: Timestamp,
    ) -> Arc<Applied> {
        let scope = self.0.entry((kind, id.clone())).or_insert_with(|| Arc::new(Scope::new(spent)));
        scope.follow(limits, spent, now);
        Arc::new(Applied { scope: scope.clone(), limits: limits.clone(), name: name.into() })
    }

    /// Forgets keys that are not among `live`: their ids never come back.
    pub(crate) fn keep_keys(&mut self, live: &HashSet<&Arc<str>>) {
        self.0.retain(|(kind, id), _| *kind != Kind::Key || live.contains(id));
    }
}
