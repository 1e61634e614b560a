use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use ambient::Timestamp;
use snapshot::{Key, KeyHash};

use super::{KeyState, TeamState};
use crate::admit::ScopeTable;

/// The keys, by the hashes of their secrets. Where nothing differs, two generations have one table together.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyTable(Arc<HashMap<KeyHash, Arc<KeyState>, BuildHasherDefault<FirstBytes>>>);

/// A hash is chosen by chance already, and what clients send is hashed before it is looked for.
#[derive(Debug, Default)]
struct FirstBytes(u64);

// === impl KeyTable ===

impl KeyTable {
    pub(super) fn next(
        previous: &Self,
        keys: &[Key],
        teams: &HashMap<Arc<str>, Arc<TeamState>>,
        scopes: &mut ScopeTable,
        now: Timestamp,
    ) -> Self {
        let team_of = |key: &Key| key.team.as_ref().and_then(|id| teams.get(id));
        let known = |key: &Key| previous.0.get(&key.hash).filter(|state| state.is_still(key, team_of(key)));
        if previous.0.len() == keys.len() && keys.iter().all(|key| known(key).is_some()) {
            previous.0.values().for_each(|state| state.applied.follow(&state.key.spent, now));
            return previous.clone();
        }
        let next = |key: &Key| match known(key) {
            Some(same) => {
                same.applied.follow(&key.spent, now);
                same.clone()
            }
            None => Arc::new(KeyState::new(key, team_of(key), scopes, now)),
        };
        let table = keys.iter().map(|key| key.hash).zip(keys.iter().map(next)).collect();
        scopes.keep_keys(keys);
        Self(Arc::new(table))
    }

    pub(crate) fn get(&self, hash: &KeyHash) -> Option<&Arc<KeyState>> {
        self.0.get(hash)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(super) fn states(&self) -> impl Iterator<Item = &Arc<KeyState>> {
        self.0.values()
    }
}

// === impl FirstBytes ===

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
