//! From signals to an orderly end: first signal drains, second ends at once.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Who asked the program to stop; decides what becomes of the engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A person at a terminal (SIGINT): engines stop too.
    Person,
    /// A service manager (SIGTERM), often to restart us: engines run on and are adopted.
    Service,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// All tasks ended by themselves.
    Clean,
    /// Tasks still ran when the grace was over.
    Overdue,
    /// A second signal came.
    Cut,
}

/// The life of the program: what runs, and the word to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lifecycle {
    /// Take no new work, finish what runs.
    pub(crate) soft: CancellationToken,
    /// The second signal: end now.
    pub(crate) hard: CancellationToken,
    /// All tasks that have to end before the program does.
    pub(crate) tasks: TaskTracker,
    stop: Arc<OnceLock<Stop>>,
}

// === impl Lifecycle ===

impl Lifecycle {
    /// Listens for SIGINT and SIGTERM from now on.
    pub(crate) fn install() -> io::Result<Self> {
        let lifecycle = Self::default();
        let (interrupts, terminations) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(lifecycle.clone().listen(interrupts, terminations));
        Ok(lifecycle)
    }

    /// Asks for an orderly end; only the first asker counts.
    pub(crate) fn stop(&self, stop: Stop) {
        let _ = self.stop.set(stop);
        self.soft.cancel();
    }

    /// Waits until somebody asks for an end; who it was.
    pub(crate) async fn stopped(&self) -> Stop {
        self.soft.cancelled().await;
        self.stop.get().copied().unwrap_or(Stop::Service)
    }

    /// Waits for all tasks, at most `grace` or until the second signal.
    pub(crate) async fn drain(&self, grace: Duration) -> Drained {
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => Drained::Clean,
            () = self.hard.cancelled() => Drained::Cut,
            () = tokio::time::sleep(grace) => Drained::Overdue,
        }
    }

    async fn listen(self, mut interrupts: Signal, mut terminations: Signal) {
        let first = tokio::select! {
            _ = interrupts.recv() => Stop::Person,
            _ = terminations.recv() => Stop::Service,
        };
        tracing::info!(stop = ?first, "stopping; a second signal ends at once");
        self.stop(first);
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
        tracing::warn!("second signal: ending at once");
        self.hard.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_its_tasks_but_not_for_ever() {
        let quick = Lifecycle::default();
        quick.tasks.spawn(tokio::time::sleep(Duration::from_secs(3)));
        assert_eq!(quick.drain(Duration::from_secs(30)).await, Drained::Clean);

        let slow = Lifecycle::default();
        slow.tasks.spawn(std::future::pending::<()>());
        assert_eq!(slow.drain(Duration::from_secs(30)).await, Drained::Overdue);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_reason_to_stop_counts_and_a_hard_stop_cuts_the_drain() {
        let lifecycle = Lifecycle::default();
        lifecycle.stop(Stop::Person);
        lifecycle.stop(Stop::Service);
        assert_eq!(lifecycle.stopped().await, Stop::Person);
        lifecycle.tasks.spawn(std::future::pending::<()>());
        let hard = lifecycle.hard.clone();
        tokio::spawn(async move { hard.cancel() });
        assert_eq!(lifecycle.drain(Duration::from_secs(30)).await, Drained::Cut);
    }
}
