use std::collections::BTreeMap;

use snapshot::Reach;
use store::KeyRow;

use crate::Manager;
use crate::compiler::{Inputs, compile};
use crate::spent::Spent;

impl Manager {
    /// What the requests of a key can reach by what applies now: of the snapshot that the gateway serves from, without
    /// addresses and sums, which change nothing of it.
    pub(crate) fn reach(&self, key: &KeyRow) -> Vec<Reach> {
        let (ready, spent) = (BTreeMap::new(), Spent::default());
        let (current, teams) = (self.current(), self.inner().teams.rows());
        let inputs = Inputs {
            current: &current,
            ready: &ready,
            keys: std::slice::from_ref(key),
            teams: &teams,
            spent: &spent,
            open_routes: true,
            master_key: None,
            now: self.config().clock.now(),
            env: &self.config().env,
        };
        let snapshot = compile(&inputs).snapshot;
        snapshot.keys.first().map(|key| snapshot.reach(key)).unwrap_or_default()
    }
}
