//! Which replica: by strategy among those that are healthy.

mod choose;
mod deployment;
mod probe;
mod replica;

pub(crate) use choose::{Pick, choose, pinned};
pub(crate) use deployment::DeploymentState;
pub(crate) use probe::probe_forever;
pub(crate) use replica::{Busy, Patience, ReplicaState};
