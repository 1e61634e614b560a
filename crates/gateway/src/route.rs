//! Which replica: by strategy among those that are healthy.

mod choose;
mod deployment;
mod latency;
mod need;
mod observed;
mod probe;
mod replica;
mod strategy;

pub(crate) use choose::{Pick, choose, pinned};
pub(crate) use deployment::{DeploymentState, Taken};
pub(crate) use latency::Latencies;
pub(crate) use need::{Need, Tracks};
pub(crate) use observed::Observed;
pub(crate) use probe::probe_forever;
pub(crate) use replica::{Busy, Patience, ReplicaState};
