use std::sync::Arc;
use std::time::Duration;

use ledger::Usage;
use tokio::time::Instant;

use super::{DeploymentState, Pick, Taken, Tracks};

/// Tells a deployment how a request went that it answered, for the strategies that go by that.
#[derive(Debug)]
pub(crate) struct Observed {
    deployment: Arc<DeploymentState>,
    taken: Option<Taken>,
    /// When it was asked; none where nobody goes by how long it takes.
    began: Option<Instant>,
    /// Of a stream, how long its first byte took.
    first_byte: Option<Duration>,
}

// === impl Observed ===

impl Observed {
    /// Of a request that `pick` was asked at `began` and has begun to answer; none where nobody goes by it.
    pub(crate) fn of(pick: &Pick, tracks: Tracks, began: Instant, is_stream: bool) -> Option<Box<Self>> {
        if pick.taken.is_none() && !tracks.latency {
            return None;
        }
        Some(Box::new(Self {
            deployment: pick.deployment.clone(),
            taken: pick.taken,
            began: tracks.latency.then_some(began),
            first_byte: is_stream.then(|| began.elapsed()),
        }))
    }

    /// It has ended; whether that was as it should be.
    pub(crate) fn ended(self, is_complete: bool, usage: &Usage) {
        if let Some(taken) = self.taken {
            self.deployment.used(taken, usage.total_tokens());
        }
        if let Some(began) = self.began.filter(|_| is_complete) {
            let now = Instant::now();
            self.deployment.latencies().answered(now - began, usage.completion_tokens, self.first_byte, now);
        }
    }
}
