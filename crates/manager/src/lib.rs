//! The control plane: owns desired state and the store, supervises engines, and tells the gateway what to serve.
//!
//! A change goes through [`apply`]: validate, plan, commit, publish, reconcile, verify. The [`reconciler`] is
//! level-triggered: it compares what should run with what runs, and acts. Both end in [`publish`]: what the
//! gateway serves from is [`compile`](compiler)d anew and handed over whole.

mod api;
mod config;
mod digest;
mod health;
mod home;
mod manager;
mod master_key;
mod secrets;

pub use config::{Environment, ManagerConfig};
pub use health::StoreHealth;
pub use home::{Home, HomeError, HomeLock};
pub use manager::{Manager, OpenError, Opened};
pub use master_key::MasterKeyError;
pub use secrets::UnfitKey;
