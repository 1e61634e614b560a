use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Key, Model, Snapshot, Team};

/// How one snapshot differs from an earlier one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Delta {
    /// Epoch of the earlier one.
    pub(super) from: u64,
    /// The new one, without what the lists below tell.
    rest: Snapshot,
    models: Changes<Model>,
    keys: Changes<Key>,
    teams: Changes<Team>,
}

/// How one list of things with names differs from an earlier one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Changes<T> {
    /// New things, and those that changed.
    put: Vec<T>,
    /// Names of those that are gone.
    gone: Vec<Arc<str>>,
    /// All names in order, where that is another one than before with new things at the end.
    order: Option<Vec<Arc<str>>>,
}

/// Something that a list knows by its name.
trait Named: Clone + PartialEq {
    fn name(&self) -> &Arc<str>;
}

// === impl Delta ===

impl Delta {
    pub(super) fn between(old: &Snapshot, new: &Snapshot) -> Self {
        // Taken apart field by field, so that nobody forgets a new one here.
        let Snapshot {
            manager,
            epoch,
            revision,
            models,
            aliases,
            keys,
            teams,
            limits,
            spent,
            open_routes,
            master_key,
            settings,
            booked,
        } = new;
        Self {
            from: old.epoch,
            models: Changes::between(&old.models, models),
            keys: Changes::between(&old.keys, keys),
            teams: Changes::between(&old.teams, teams),
            rest: Snapshot {
                manager: *manager,
                epoch: *epoch,
                revision: *revision,
                models: Vec::new(),
                aliases: aliases.clone(),
                keys: Vec::new(),
                teams: Vec::new(),
                limits: limits.clone(),
                spent: *spent,
                open_routes: *open_routes,
                master_key: *master_key,
                settings: settings.clone(),
                booked: booked.clone(),
            },
        }
    }

    /// The new snapshot; none where `old` is not the one that this is about.
    pub(super) fn apply(self, old: &Snapshot) -> Option<Snapshot> {
        let Self { from, rest, models, keys, teams } = self;
        let is_next = (old.manager, old.epoch) == (rest.manager, from);
        is_next.then(|| Snapshot {
            models: models.apply(&old.models),
            keys: keys.apply(&old.keys),
            teams: teams.apply(&old.teams),
            ..rest
        })
    }
}

// === impl Changes ===

impl<T: Named> Changes<T> {
    fn between(old: &[T], new: &[T]) -> Self {
        let (before, after) = (by_name(old), by_name(new));
        let changed = |thing: &&T| before.get(thing.name()) != Some(thing);
        let is_gone = |thing: &&T| !after.contains_key(thing.name());
        let mut changes = Self {
            put: new.iter().filter(changed).cloned().collect(),
            gone: old.iter().filter(is_gone).map(|thing| thing.name().clone()).collect(),
            order: None,
        };
        let names = |things: &[T]| things.iter().map(|thing| thing.name().clone()).collect::<Vec<_>>();
        if names(&changes.clone().apply(old)) != names(new) {
            changes.order = Some(names(new));
        }
        changes
    }

    fn apply(self, old: &[T]) -> Vec<T> {
        let Self { put, gone, order } = self;
        let gone: HashSet<_> = gone.into_iter().collect();
        let mut put: Vec<_> = put.into_iter().map(Some).collect();
        let mut places: HashMap<_, _> =
            put.iter().enumerate().filter_map(|(at, thing)| Some((thing.as_ref()?.name().clone(), at))).collect();
        let mut take = |name: &Arc<str>| put.get_mut(places.remove(name)?)?.take();
        let mut things: Vec<_> = old
            .iter()
            .filter(|thing| !gone.contains(thing.name()))
            .map(|thing| take(thing.name()).unwrap_or_else(|| thing.clone()))
            .collect();
        things.extend(put.into_iter().flatten());
        let Some(order) = order else { return things };
        let mut things: HashMap<_, _> = things.into_iter().map(|thing| (thing.name().clone(), thing)).collect();
        order.iter().filter_map(|name| things.remove(name)).collect()
    }
}

impl Named for Model {
    fn name(&self) -> &Arc<str> {
        &self.name
    }
}

impl Named for Team {
    fn name(&self) -> &Arc<str> {
        &self.id
    }
}

impl Named for Key {
    fn name(&self) -> &Arc<str> {
        &self.id
    }
}

fn by_name<T: Named>(things: &[T]) -> HashMap<&Arc<str>, &T> {
    things.iter().map(|thing| (thing.name(), thing)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{key, model, snapshot};

    #[test]
    fn a_delta_says_what_changed_and_no_more() {
        let old = snapshot(100);
        let mut new = old.clone();
        (new.epoch, new.revision) = (9, 8);
        new.keys[7].blocked = true;
        new.keys.remove(50);
        new.keys.push(key("new"));
        let delta = Delta::between(&old, &new);
        let names: Vec<_> = delta.keys.put.iter().map(|key| &*key.id).collect();
        assert_eq!((names, delta.keys.gone.len(), delta.models.put.len()), (vec!["key-7", "new"], 1, 0));
        assert!(delta.keys.order.is_none() && delta.models.order.is_none(), "order is told only where it changed");
        let sent: Delta = serde_json::from_slice(&serde_json::to_vec(&delta).unwrap()).unwrap();
        assert_eq!(sent.apply(&old), Some(new));
    }

    #[test]
    fn a_delta_fits_the_snapshot_that_it_was_made_for_and_no_other() {
        let old = snapshot(2);
        let new = Snapshot { epoch: 9, ..old.clone() };
        let delta = Delta::between(&old, &new);
        let [skipped, foreign] = [Snapshot { epoch: 5, ..old.clone() }, Snapshot { manager: 1, ..old }];
        assert_eq!((delta.clone().apply(&skipped), delta.apply(&foreign)), (None, None));
    }

    fn list() -> impl Strategy<Value = Vec<(u8, bool)>> {
        let names = prop::collection::hash_set(0u8..12, 0..12).prop_map(|names| names.into_iter().collect::<Vec<_>>());
        let names = names.prop_shuffle();
        names.prop_flat_map(|names| {
            let count = names.len();
            prop::collection::vec(any::<bool>(), count)
                .prop_map(move |flags| names.iter().copied().zip(flags).collect::<Vec<_>>())
        })
    }

    fn of(epoch: u64, keys: &[(u8, bool)], models: &[(u8, bool)]) -> Snapshot {
        Snapshot {
            epoch,
            keys: keys.iter().map(|(n, blocked)| Key { blocked: *blocked, ..key(&n.to_string()) }).collect(),
            models: models
                .iter()
                .map(|(n, flag)| Model { created: i64::from(*flag), ..model(&n.to_string()) })
                .collect(),
            ..snapshot(0)
        }
    }

    proptest! {
        #[test]
        fn old_and_delta_make_new(keys in (list(), list()), models in (list(), list())) {
            let (old, new) = (of(1, &keys.0, &models.0), of(2, &keys.1, &models.1));
            prop_assert_eq!(Delta::between(&old, &new).apply(&old), Some(new));
        }
    }
}
