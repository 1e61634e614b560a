//! The control plane: owns desired state and the store, supervises engines, and tells the gateway what to serve.
//!
//! A change goes through `apply`: validate, plan, commit, publish, reconcile, verify. The `reconciler` is
//! level-triggered: it compares what should run with what runs, and acts. Both end in `publish`: what the
//! gateway serves from is compiled anew (`compiler`) and handed over whole. `api` and `litellm` are the two
//! faces of all that over HTTP.

mod access;
mod accounts;
mod actor;
mod api;
mod apply;
pub mod backup;
mod budgets;
mod compiler;
mod config;
mod credentials;
mod current;
mod digest;
mod drift;
mod edit_lock;
mod events;
mod fault_points;
mod fit;
mod health;
mod history;
mod home;
mod housekeeping;
mod hub;
mod images;
mod jobs;
mod keys;
mod litellm;
mod log;
mod manager;
mod master_key;
mod metrics;
mod models;
mod nul;
mod open_routes;
mod options;
mod passwords;
mod placement;
mod publish;
mod reach;
mod reconciler;
mod rendered;
mod resources;
mod restoration;
mod secrets;
mod sessions;
mod spent;
mod staged;
mod status;
mod stopped;
mod teams;
#[cfg(test)]
mod testing;
mod throttle;
mod tokens;
mod vault;

pub use self::hub::models_in_use;
pub use accounts::AdminPasswordError;
pub use api::AllowedNetworks;
pub use apply::{ImportError, document_in};
pub use config::{Addresses, Environment, ManagerConfig};
pub use current::UnreadableRevision;
pub use fault_points::FaultPoints;
pub use health::StoreHealth;
pub use home::{Holder, Home, HomeError, HomeLock};
pub use manager::{Made, Manager, OpenError, Opened};
pub use master_key::MasterKeyError;
pub use passwords::{Busy, UnfitPassword};
pub use secrets::UnfitKey;
pub use store::{Cause as StoreCause, Error as StoreError, PostgresUrl};

use actor::Actor;
