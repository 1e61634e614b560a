use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::identity::Found;
use super::{Handle, StopError, group};
use crate::runtime::blocking;

/// How long SIGKILL may take: the kernel frees gigabytes of memory first, on a GPU too.
pub(super) const FORCE: Duration = Duration::from_secs(30);
/// How long workers get at most once the first process of their group is gone: nobody needs them any more.
const LEFTOVERS: Duration = Duration::from_secs(5);
/// First and longest pause between two looks.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// Ends a process group: SIGTERM to all of it, SIGKILL to what is left after `grace` (5 s at most once its first process
/// is gone), until nothing is left; then the first process is reaped. If nothing is there, there is nothing to do.
pub async fn stop(handle: &Handle, grace: Duration) -> Result<(), StopError> {
    let signal_error = |source| StopError::Signal { pid: handle.pid, source };
    if !ended(handle, Signal::TERM, grace).await.map_err(signal_error)? {
        tracing::warn!(engine.pid = handle.pid, grace_s = grace.as_secs(), "engine ignores SIGTERM, killing it");
        if !ended(handle, Signal::KILL, FORCE).await.map_err(signal_error)? {
            let pids = members(handle).await.map_err(signal_error)?;
            return Err(StopError::Stuck { pid: handle.pid, pids });
        }
    }
    let handle = handle.clone();
    blocking(move || group::reap(&handle)).await;
    Ok(())
}

/// Signals the group and waits until it has ended, at most for `patience`. True if it has.
async fn ended(handle: &Handle, signal: Signal, patience: Duration) -> io::Result<bool> {
    let mut deadline = Instant::now() + patience;
    let mut has_leader = true;
    let (mut pause, longest) = PAUSES;
    let mut signalled = false;
    loop {
        let members = members(handle).await?;
        if members.is_empty() {
            return Ok(true);
        }
        // SIGTERM goes out once, for many programs take a second one for impatience; SIGKILL again and again, because
        // a child may have been born while the first went out.
        if !signalled || signal == Signal::KILL {
            group::signal(handle, &members, signal)?;
            signalled = true;
        }
        if has_leader && signal == Signal::TERM && handle.look() != Found::Running {
            has_leader = false;
            deadline = deadline.min(Instant::now() + LEFTOVERS);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
        pause = longest.min(pause * 2);
    }
}

async fn members(handle: &Handle) -> io::Result<Vec<u32>> {
    let handle = handle.clone();
    blocking(move || group::members(&handle)).await
}
