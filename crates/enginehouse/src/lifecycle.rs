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
    /// A service manager (SIGTERM), often to restart us, or a terminal that was closed (SIGHUP): engines run on and
    /// are adopted.
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

/// The signals that end the program.
#[derive(Debug)]
struct Signals {
    interrupts: Signal,
    terminations: Signal,
    /// None where they are ignored.
    hangups: Option<Signal>,
}

// === impl Lifecycle ===

impl Lifecycle {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on.
    pub(crate) fn install() -> io::Result<Self> {
        let lifecycle = Self::default();
        tokio::spawn(lifecycle.clone().listen(Signals::catch()?));
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

    async fn listen(self, mut signals: Signals) {
        let first = signals.next().await;
        tracing::info!(stop = ?first, "stopping; a second signal ends at once");
        self.stop(first);
        signals.next().await;
        tracing::warn!("second signal: ending at once");
        self.hard.cancel();
    }
}

// === impl Signals ===

impl Signals {
    fn catch() -> io::Result<Self> {
        let process = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let hangups = if ignores_hangups(&process) { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self {
            interrupts: signal(SignalKind::interrupt())?,
            terminations: signal(SignalKind::terminate())?,
            hangups,
        })
    }

    async fn next(&mut self) -> Stop {
        let hangup = async {
            match &mut self.hangups {
                Some(hangups) => drop(hangups.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupts.recv() => Stop::Person,
            _ = self.terminations.recv() => Stop::Service,
            () = hangup => Stop::Service,
        }
    }
}

/// Whether whoever started us said that we outlive the terminal (`nohup`); from the text of `/proc/self/status`.
fn ignores_hangups(process: &str) -> bool {
    /// SIGHUP is signal 1, and so the lowest bit.
    const HANGUP: u64 = 1;
    let mask = process.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & HANGUP != 0)
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

    #[test]
    fn hangups_are_left_to_nohup() {
        assert!(ignores_hangups("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n"));
        assert!(!ignores_hangups("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangups(""));
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
