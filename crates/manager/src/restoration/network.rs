use std::collections::BTreeSet;

use super::{RestoreStep, StepState};
use crate::Manager;
use crate::reconciler::Desired;

// === impl Manager ===

impl Manager {
    /// Asks Docker for the networks of all containers that should run. One that cannot be asked for counts as it was.
    pub(crate) async fn look_for_networks(&self) {
        for name in networks(&self.wanted()) {
            match self.runtimes().docker().has_network(&name).await {
                Ok(true) => {
                    self.inner().networks.write().insert(name);
                }
                Ok(false) => {
                    self.inner().networks.write().remove(&name);
                }
                Err(error) => return tracing::debug!(name, %error, "cannot look for a network"),
            }
        }
    }

    pub(super) fn network_step(&self, needed: &BTreeSet<String>) -> RestoreStep {
        let found = self.inner().networks.read();
        let missing: Vec<_> = needed.difference(&found).map(String::as_str).collect();
        if missing.is_empty() {
            let all: Vec<_> = needed.iter().map(String::as_str).collect();
            return RestoreStep::new("network", StepState::Done, all.join(", "));
        }
        RestoreStep::new(
            "network",
            StepState::Waiting,
            format!("{} is made with the first container", missing.join(", ")),
        )
    }
}

/// Those that the containers of these need.
pub(super) fn networks(wanted: &[Desired]) -> BTreeSet<String> {
    wanted.iter().filter_map(|desired| Some(desired.container.as_ref()?.common.network.clone())).collect()
}
