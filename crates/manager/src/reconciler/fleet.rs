use std::collections::BTreeMap;

use parking_lot::Mutex;
use runtime::Handle;
use snapshot::Address;

use super::record::Source;
use super::replica::{Replica, ReplicaView};

/// All replicas that should run or do, by id. Bounded by what documents ask for.
#[derive(Debug, Default)]
pub(crate) struct Fleet(Mutex<BTreeMap<String, Replica>>);

// === impl Fleet ===

impl Fleet {
    /// Looks at all of them.
    pub(super) fn with<T>(&self, look: impl FnOnce(&BTreeMap<String, Replica>) -> T) -> T {
        look(&self.0.lock())
    }

    /// Changes one, which is made if it is not there.
    pub(super) fn update<T>(&self, id: &str, change: impl FnOnce(&mut Replica) -> T) -> T {
        change(self.0.lock().entry(id.to_owned()).or_default())
    }

    /// Changes one, if it is there.
    pub(super) fn update_known<T>(&self, id: &str, change: impl FnOnce(&mut Replica) -> T) -> Option<T> {
        self.0.lock().get_mut(id).map(change)
    }

    /// Goes over all of them.
    pub(super) fn update_all(&self, mut change: impl FnMut(&str, &mut Replica)) {
        self.0.lock().iter_mut().for_each(|(id, replica)| change(id, replica));
    }

    /// Forgets one.
    pub(super) fn remove(&self, id: &str) {
        self.0.lock().remove(id);
    }

    /// Where those listen that take requests, by id.
    pub(crate) fn ready(&self) -> BTreeMap<String, Address> {
        let replicas = self.0.lock();
        replicas.iter().filter_map(|(id, replica)| Some((id.clone(), replica.address()?))).collect()
    }

    /// What runs as this replica, if anything does.
    pub(crate) fn handle(&self, id: &str) -> Option<Handle> {
        Some(self.0.lock().get(id)?.process.as_ref()?.handle.clone())
    }

    /// Where the models of those come from that were started and not cleared away, by id.
    pub(crate) fn sources(&self) -> BTreeMap<String, Source> {
        let replicas = self.0.lock();
        let source = |replica: &Replica| replica.process.as_ref()?.source.clone();
        replicas.iter().filter_map(|(id, replica)| Some((id.clone(), source(replica)?))).collect()
    }

    /// GPUs of those that run and are known to have some, by id.
    pub(crate) fn gpus(&self) -> BTreeMap<String, Vec<String>> {
        let replicas = self.0.lock();
        replicas.iter().filter_map(|(id, replica)| Some((id.clone(), replica.gpus()?.to_vec()))).collect()
    }

    /// All of them as people see them, by id.
    pub(crate) fn views(&self) -> BTreeMap<String, ReplicaView> {
        self.0.lock().iter().map(|(id, replica)| (id.clone(), replica.view())).collect()
    }

    /// What each that runs was started from, by id.
    pub(crate) fn spec_hashes(&self) -> BTreeMap<String, String> {
        let replicas = self.0.lock();
        replicas.iter().filter_map(|(id, replica)| Some((id.clone(), replica.spec_hash()?))).collect()
    }

    /// How often each failed since the manager was opened, by id.
    pub(crate) fn failures(&self) -> BTreeMap<String, u32> {
        self.0.lock().iter().map(|(id, replica)| (id.clone(), replica.failures)).collect()
    }
}
