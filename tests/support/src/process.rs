use std::fs;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, kill_process};

pub use rustix::process::Signal;

use crate::eventually;

/// A child that is killed, not left behind, when the test ends.
#[derive(Debug)]
pub(crate) struct Guarded(pub(crate) Child);

// === impl Guarded ===

impl Guarded {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal; a child that has ended already is none.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.status().is_none() {
            let pid = Pid::from_raw(self.0.id().try_into().unwrap()).unwrap();
            let _ = kill_process(pid, signal);
        }
    }

    /// How it ended, if it has.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("the process to end", || std::future::ready(self.0.try_wait().unwrap())).await
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// SIGINT, and waits at most `grace` for its end; blocks.
    #[expect(clippy::disallowed_methods, reason = "called from `Drop`, which cannot be asynchronous")]
    pub(crate) fn interrupt(&mut self, grace: Duration) {
        const STEP: Duration = Duration::from_millis(20);
        self.signal(Signal::INT);
        for _ in 0..grace.as_millis() / STEP.as_millis() {
            if self.status().is_some() {
                return;
            }
            std::thread::sleep(STEP);
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills every process that works below `folder` or writes its output there: the engines of a server on that home.
pub(crate) fn kill_all_below(folder: &Path) {
    for pid in pids_below(folder) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Kills every process that was told of `folder` on its command line: what a daemon started there.
pub(crate) fn kill_all_of(folder: &Path) {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let folder = folder.to_str().unwrap();
    for pid in pids.filter(|pid| u32::try_from(*pid) != Ok(std::process::id())) {
        let told = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if let (true, Some(pid)) = (String::from_utf8_lossy(&told).contains(folder), Pid::from_raw(pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Processes other than this one that work below `folder` or write their output there.
pub(crate) fn pids_below(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let below = |pid: &u32| ["cwd", "fd/1", "fd/2"].iter().any(|link| links_below(*pid, link, folder));
    pids.filter(|pid| *pid != std::process::id()).filter(below).collect()
}

fn links_below(pid: u32, link: &str, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/{link}")).is_ok_and(|target| target.starts_with(folder))
}
