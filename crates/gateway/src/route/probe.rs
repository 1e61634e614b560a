use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use super::ReplicaState;
use crate::serving::Serving;

/// Time between two rounds of health checks.
const EVERY: Duration = Duration::from_secs(2);

/// Time that one health check may take.
const BOUND: Duration = Duration::from_secs(2);

/// Checks every replica that has a health path, for ever. Remote endpoints have none: a probe could be billed.
pub(crate) async fn probe_forever(serving: Arc<ArcSwap<Serving>>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = serving.load_full();
        let probes = now.deployments().flat_map(|deployment| {
            let path = deployment.deployment.health_path.as_deref();
            path.into_iter().flat_map(|path| deployment.replicas.iter().map(move |replica| probe(replica, path)))
        });
        join_all(probes).await;
    }
}

async fn probe(replica: &ReplicaState, path: &str) {
    match tokio::time::timeout(BOUND, replica.client.get(path)).await {
        Ok(Ok(status)) => replica.probed(status.is_success(), false),
        Ok(Err(fault)) => replica.probed(false, fault.is_connect()),
        Err(_) => replica.probed(false, false),
    }
}
