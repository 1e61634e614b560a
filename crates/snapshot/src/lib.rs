//! What the manager compiles and the gateway serves from: immutable, complete, numbered.
//!
//! A [`Snapshot`] holds the models with the addresses of their live replicas, the key table and the
//! settings of the gateway. [`channel()`] carries it from one plane to the other with acknowledgement.

mod channel;
mod key;
mod limits;
mod model;
mod secret;
mod settings;

use serde::{Deserialize, Serialize};

pub use channel::{Behind, Publisher, Subscriber, channel};
pub use key::{Key, KeyHash, KeyKind, MASTER_KEY_ID};
pub use limits::Limits;
pub use model::{Address, Deployment, Model, Replica};
pub use secret::Secret;
pub use settings::{CacheSettings, Settings, Timeouts};
pub use spec::{ModelType, OnFull, Strategy};

/// All that the gateway serves from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Grows with every snapshot of one manager; set by the [`Publisher`].
    pub epoch: u64,
    /// Number of the revision that it was compiled from; 0 before the first apply.
    pub revision: u64,
    /// The models, by name.
    pub models: Vec<Model>,
    /// The keys, without the master key.
    pub keys: Vec<Key>,
    /// Hash of the master key.
    pub master_key: Option<KeyHash>,
    /// Settings of the gateway.
    pub settings: Settings,
}
