use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::Value;

use crate::KeyRow;

/// What events are labelled with when they are taken in, by key id: an event itself knows only its key. Only keys with
/// a label are here, so there are as many as people made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels(Arc<RwLock<HashMap<String, Arc<Label>>>>);

/// The team and the tags of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) team: Option<String>,
    /// As a JSON array; none where there are none.
    pub(crate) tags: Option<String>,
}

// === impl Labels ===

impl Labels {
    /// The label of a key, if it has one.
    pub(crate) fn of(&self, key: &str) -> Option<Arc<Label>> {
        self.0.read().get(key).cloned()
    }

    /// Takes over what a key is now. A deleted one keeps its label: its last events are still to come.
    pub(crate) fn put(&self, key: &KeyRow) {
        let tags = (!key.tags.is_empty()).then(|| Value::from(key.tags.clone()).to_string());
        let label = Label { team: key.team.clone(), tags };
        if label.team.is_none() && label.tags.is_none() {
            self.0.write().remove(&key.id);
        } else {
            self.0.write().insert(key.id.clone(), Arc::new(label));
        }
    }
}
