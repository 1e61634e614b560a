use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ambient::Timestamp;
use snapshot::{Key, Limits, Spent};

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
///
/// Clones share their tables until something new comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeTable {
    keys: Table,
    others: Table,
}

type Table = Arc<HashMap<(Kind, Arc<str>), Arc<Scope>>>;

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
        let table = if kind == Kind::Key { &mut self.keys } else { &mut self.others };
        let place = (kind, id.clone());
        let known = table.get(&place).cloned();
        let scope = known.unwrap_or_else(|| {
            let scope = Arc::new(Scope::new(spent));
            Arc::make_mut(table).insert(place, scope.clone());
            scope
        });
        scope.follow(limits, spent, now);
        Arc::new(Applied { scope, limits: limits.clone(), name: name.into() })
    }

    /// Forgets keys that are not among `live`, all of which it knows: their ids never come back.
    pub(crate) fn keep_keys(&mut self, live: &[Key]) {
        if self.keys.len() > live.len() {
            let live: HashSet<_> = live.iter().map(|key| &key.id).collect();
            Arc::make_mut(&mut self.keys).retain(|(_, id), _| live.contains(id));
        }
    }
}
