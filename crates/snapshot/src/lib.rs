//! What the manager compiles and the gateway serves from: immutable, complete, numbered.
//!
//! A [`Snapshot`] holds the models with the addresses of their live replicas, the key table and the
//! settings of the gateway. [`channel()`] carries it from one plane to the other with acknowledgement, [`link`] does so
//! between processes, and a [`SealedFile`] keeps it for a gateway that starts while its manager is away.

pub mod link;

mod booked;
mod channel;
mod key;
mod limits;
mod model;
mod period;
mod reach;
mod routing;
mod seal;
mod secret;
mod settings;
mod team;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::{GatewayId, Position};
use serde::{Deserialize, Serialize};

pub use booked::Booked;
pub use channel::{Behind, Connected, Publisher, Subscriber, channel};
pub use key::{Key, KeyHash, KeyKind, MASTER_KEY_ID};
pub use limits::{Limits, Spent, SpentBefore};
pub use link::{Link, LinkConfig};
pub use model::{Address, Deployment, Model, Replica};
pub use period::{BudgetPeriod, Run};
pub use reach::{Reach, Way, When};
pub use routing::{Alias, Fallbacks, KeyRouting, RoutingSettings};
pub use seal::{Kept, Keyring, SealError, SealedFile, SecretKey, SecretKeyError, UnsealError};
pub use secret::Secret;
pub use settings::{CacheSettings, Settings, Timeouts};
pub use spec::{CausePolicy, ModelType, OnFull, Period, Strategy, UnfitPeriod};
pub use team::Team;

/// All that the gateway serves from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Which manager made it: another number at every start; set by the [`Publisher`].
    pub manager: u64,
    /// Grows with every snapshot that a gateway gets, also when the manager was started anew; set by the [`Publisher`].
    pub epoch: u64,
    /// Number of the revision that it was compiled from; 0 before the first apply.
    pub revision: u64,
    /// The models, by name.
    pub models: Vec<Model>,
    /// Other names for models, which all keys can say.
    #[serde(default)]
    pub aliases: BTreeMap<Arc<str>, Alias>,
    /// The keys, without the master key.
    pub keys: Vec<Key>,
    /// The teams that keys belong to.
    pub teams: Vec<Team>,
    /// What all requests together may use.
    pub limits: Limits,
    /// What they had spent together.
    pub spent: Spent,
    /// Whether the open routes are open: the kill switch.
    pub open_routes: bool,
    /// Hash of the master key.
    pub master_key: Option<KeyHash>,
    /// Settings of the gateway.
    pub settings: Settings,
    /// Up to where what was spent includes what gateways wrote down. A gateway that begins to count adds what its own
    /// books hold behind that; for one that is not listed, that is all of it.
    pub booked: Vec<Booked>,
}

// === impl Snapshot ===

impl Snapshot {
    /// Up to where what was spent includes the books of `gateway`.
    pub fn booked(&self, gateway: GatewayId) -> Position {
        self.booked.iter().find(|booked| booked.gateway == gateway).map_or_else(Position::default, |at| at.position)
    }
}
