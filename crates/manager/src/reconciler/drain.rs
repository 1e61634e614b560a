use std::time::Duration;

use runtime::Listener;
use tokio::time::{Instant, sleep, timeout};

use super::ask::get;
use super::replica::Phase;
use crate::Manager;

/// How long requests that an engine works on are waited for.
const LONGEST: Duration = Duration::from_secs(60);
/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);
/// Looks in a row that find nothing, before nothing is expected any more: what a gateway has just sent off comes in a
/// moment.
const QUIET: u32 = 5;
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where engines tell what they work on.
const PATH: &str = "/metrics";
/// What vLLM calls it.
const COUNTS: [&str; 2] = ["vllm:num_requests_running", "vllm:num_requests_waiting"];

// === impl Manager ===

impl Manager {
    /// Waits until a replica that gets no more requests has answered those it has; not for ever, and not for an engine
    /// that does not tell.
    pub(super) async fn drain_replica(&self, id: &str) {
        let draining = self.inner().fleet.with(|replicas| {
            let replica = replicas.get(id)?;
            let drains = matches!(replica.phase, Phase::Stopping { drains: true, .. }) && replica.ended.is_none();
            drains.then(|| replica.process.as_ref().map(|process| process.listener.clone()))?
        });
        let Some(listener) = draining else { return };
        let give_up = Instant::now() + LONGEST;
        let (mut quiet, mut has_told) = (0, false);
        while !self.has_ended(id) {
            match working_on(&listener).await {
                Some(requests) if requests > 0.0 => (quiet, has_told) = (0, true),
                Some(_) => (quiet, has_told) = (quiet + 1, true),
                // Who told once is too busy to tell now.
                None if has_told => quiet = 0,
                None => break,
            }
            if quiet >= QUIET {
                break;
            }
            if Instant::now() >= give_up {
                tracing::warn!(replica = id, "requests are cut off: the engine worked on them for too long");
                break;
            }
            sleep(EVERY).await;
        }
        self.inner().fleet.update_known(id, |replica| {
            if let Phase::Stopping { drains, .. } = &mut replica.phase {
                *drains = false;
            }
        });
    }

    fn has_ended(&self, id: &str) -> bool {
        self.inner().fleet.with(|replicas| replicas.get(id).is_none_or(|replica| replica.ended.is_some()))
    }
}

/// Requests that an engine works on or keeps waiting; none if it does not tell.
async fn working_on(listener: &Listener) -> Option<f64> {
    let (status, body) = timeout(PATIENCE, get(listener, PATH)).await.ok()?.ok()?;
    if !status.is_success() {
        return None;
    }
    counted(&String::from_utf8_lossy(&body))
}

fn counted(metrics: &str) -> Option<f64> {
    let counts = metrics.lines().filter(|line| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        COUNTS.contains(&name)
    });
    let values = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.fold(None, |sum: Option<f64>, value| Some(sum.unwrap_or_default() + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_over_all_engines_of_a_replica() {
        let metrics = "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine=\"0\"} 2.0\n\
            vllm:num_requests_running{engine=\"1\"} 1.0\nvllm:num_requests_waiting{engine=\"0\"} 1.0\n\
            vllm:num_requests_waiting_by_reason{reason=\"x\"} 9.0\n";
        assert_eq!(counted(metrics), Some(4.0));
        assert_eq!(counted("up 1\n"), None);
        assert_eq!(counted(""), None);
    }
}
