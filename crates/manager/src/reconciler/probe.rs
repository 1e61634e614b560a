use std::collections::BTreeSet;
use std::time::Duration;

use ambient::Timestamp;
use runtime::{Docker, Handle, Listener, Runtimes};
use spec::CONTAINER_PORT;

use super::Desired;
use super::ask::get;
use super::replica::Phase;
use crate::Manager;

/// How long one health check may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Between two health checks of a replica that takes requests or did.
const EVERY: Duration = Duration::from_secs(2);
/// Between two health checks of a replica that starts.
const WHILE_STARTING: Duration = Duration::from_millis(400);

/// Failed checks of a container that starts between two looks at the ports on which it listens.
const LOOK_EVERY: u32 = 16;
/// The first of these looks: most programs listen by then, if only on another port.
const FIRST_LOOK: u32 = 4;
/// Ports that are named at most.
const PORTS: usize = 8;

/// What every engine with OpenAI's API answers.
const MODELS: &str = "/v1/models";

/// What the health checks of a process said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Probe {
    /// Whether the last check was passed.
    well: bool,
    /// Checks failed in a row.
    failures: u32,
    /// Why the last one failed.
    fault: String,
    /// Ports on which a container was seen to listen, where that of engines is none of them.
    elsewhere: BTreeSet<u16>,
    /// Whether one is under way.
    running: bool,
    /// When the next one is due.
    due: Timestamp,
}

/// One health check.
struct Check {
    handle: Handle,
    listener: Listener,
    path: &'static str,
    /// Whether to see first that it is our process that listens: until then anybody's answer might be taken for its.
    unproven: bool,
    /// Whether to look at the ports of a container if it fails.
    looks: bool,
    /// Ports on which that listened when they were seen last.
    elsewhere: BTreeSet<u16>,
    /// Whether to see first that it is vLLM, or speaks as it does: any server may answer a health check.
    unknown: bool,
}

// === impl Probe ===

impl Probe {
    /// Whether the last check was passed.
    pub(super) const fn is_well(&self) -> bool {
        self.well
    }

    /// Whether any check has ended.
    pub(super) const fn is_noted(&self) -> bool {
        self.well || self.failures > 0
    }

    /// Checks failed in a row.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Why the last check failed.
    pub(super) fn fault(&self) -> &str {
        if self.fault.is_empty() { "not checked yet" } else { &self.fault }
    }

    /// Takes in what a check said.
    pub(super) fn note(&mut self, outcome: Result<(), String>, now: Timestamp, pause: Duration) {
        self.running = false;
        self.due = now.plus(pause);
        match outcome {
            Ok(()) => (self.well, self.failures) = (true, 0),
            Err(fault) => (self.well, self.failures, self.fault) = (false, self.failures.saturating_add(1), fault),
        }
    }

    fn begin(&mut self, now: Timestamp) -> bool {
        let begins = !self.running && now >= self.due;
        self.running |= begins;
        begins
    }
}

// === impl Manager ===

impl Manager {
    /// Begins the health checks that are due; what they say is seen by a later pass.
    pub(super) fn probe_due(&self, wanted: &[Desired]) {
        let now = self.config().clock.now();
        for desired in wanted {
            let begun = self.inner().fleet.update_known(&desired.id, |replica| {
                let process = replica.process.as_ref().filter(|_| replica.ended.is_none())?;
                let pause = match replica.phase {
                    Phase::Starting { .. } => WHILE_STARTING,
                    Phase::Ready { .. } | Phase::Unhealthy => EVERY,
                    _ => return None,
                };
                let starts = matches!(replica.phase, Phase::Starting { .. });
                let check = Check {
                    handle: process.handle.clone(),
                    listener: process.listener.clone(),
                    path: desired.health_path,
                    unproven: starts,
                    unknown: starts && desired.must_be_vllm(),
                    looks: starts && replica.probe.failures % LOOK_EVERY == FIRST_LOOK,
                    elsewhere: replica.probe.elsewhere.clone(),
                };
                replica.probe.begin(now).then_some((check, pause))
            });
            if let Some(Some((check, pause))) = begun {
                let (manager, id) = (self.clone(), desired.id.clone());
                self.spawn(async move { manager.probe(&id, check, pause).await });
            }
        }
    }

    async fn probe(&self, id: &str, mut check: Check, pause: Duration) {
        let outcome = tokio::time::timeout(TIMEOUT, check.run(self.runtimes())).await;
        let outcome = outcome.unwrap_or_else(|_| Err(format!("no answer within {} s", TIMEOUT.as_secs())));
        if check.looks && outcome.is_err() {
            check.look(self.runtimes().docker()).await;
        }
        let outcome = outcome.map_err(|fault| fault + &check.advice());
        let now = self.config().clock.now();
        self.inner().fleet.update_known(id, |replica| {
            // Else the check was of a process that is no more.
            if replica.process.as_ref().is_some_and(|process| process.handle == check.handle) {
                replica.probe.note(outcome, now, pause);
                replica.probe.elsewhere = check.elsewhere;
            }
        });
        self.inner().nudge.notify_one();
    }
}

// === impl Check ===

impl Check {
    /// Sees on which ports a container listens, unless that of engines is one of them.
    async fn look(&mut self, docker: &Docker) {
        let Some(container) = self.handle.as_container() else { return };
        let ports = docker.ports(&container.container).await.unwrap_or_default();
        self.elsewhere = if ports.contains(&CONTAINER_PORT) { BTreeSet::new() } else { ports };
    }

    /// What a program that listens on another port is to do; empty where none is seen.
    fn advice(&self) -> String {
        if self.elsewhere.is_empty() {
            return String::new();
        }
        let ports = self.elsewhere.iter().take(PORTS).map(u16::to_string).collect::<Vec<_>>().join(", ");
        let fix = if self.unknown {
            "if it is up, its image is no engine that takes the arguments of `vllm serve`: name another one, or give a `command` with `{port}`"
        } else {
            "if it is up, its `command` has to lead to `{port}`"
        };
        format!("; it listens on port {ports} so far, and is asked on {CONTAINER_PORT}: {fix}")
    }

    async fn run(&self, runtimes: &Runtimes) -> Result<(), String> {
        if self.unproven && !runtimes.listens(&self.handle, &self.listener).await {
            return Err(format!("it does not listen on {} yet", self.listener));
        }
        let (status, _) = get(&self.listener, self.path).await?;
        if !status.is_success() {
            return Err(format!("{} answered {status}", self.path));
        }
        if self.unknown {
            let (status, _) = get(&self.listener, MODELS).await?;
            if !status.is_success() {
                return Err(format!(
                    "{} is answered, but {MODELS} with {status}: is its image an engine that speaks OpenAI's API?",
                    self.path
                ));
            }
        }
        Ok(())
    }
}
