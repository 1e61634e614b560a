use std::fs;
use std::io;
use std::path::PathBuf;

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};
use serde::{Deserialize, Serialize};

use super::stat::Stat;
use crate::{Exit, Liveness, log_file};

/// A process that was started: the first of its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// Its pid, which is also the id of its process group.
    pub pid: u32,
    /// Clock ticks from boot to its start.
    pub start_ticks: u64,
    /// The kernel's id of that boot: pids and ticks begin anew with the next.
    pub boot_id: String,
    /// Where its group writes, by which its children are known once it is gone itself. Absolute, without links.
    pub log_file: PathBuf,
    /// Bytes that earlier runs had left in the log.
    pub log_start: u64,
}

/// What is found under the pid of a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The process, running.
    Running,
    /// The process, ended and not yet reaped.
    Zombie,
    /// Nothing. Its children may still be there.
    Nothing,
    /// Another process, or another boot: the group has ended, and what bears its id now is foreign.
    Stranger,
}

// === impl Handle ===

impl Handle {
    /// Of a process that was just started and not reaped, so that its pid is still its own.
    pub(super) fn of_child(pid: u32, log_file: PathBuf, log_start: u64) -> io::Result<Self> {
        let Stat { start_ticks, .. } = Stat::read(pid)?;
        Ok(Self { pid, start_ticks, boot_id: boot_id()?, log_file, log_start })
    }

    /// The last bytes that this run wrote, from the start of a line, at most `bytes`.
    pub fn log_tail(&self, bytes: u64) -> io::Result<String> {
        log_file::tail(&self.log_file, self.log_start, bytes)
    }

    /// What is found under its pid now.
    pub(super) fn look(&self) -> Found {
        if boot_id().is_ok_and(|now| now != self.boot_id) {
            return Found::Stranger;
        }
        match Stat::read(self.pid) {
            Err(_) => Found::Nothing,
            Ok(stat) if stat.start_ticks != self.start_ticks => Found::Stranger,
            Ok(stat) if stat.is_zombie() => Found::Zombie,
            Ok(_) => Found::Running,
        }
    }

    /// For signals and for waiting.
    pub(super) fn as_pid(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }

    /// How it ended, without reaping it. Only its parent is told.
    fn exit(&self) -> Exit {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = self.as_pid().and_then(|pid| waitid(WaitId::Pid(pid), options).ok().flatten());
        let code = status.as_ref().and_then(WaitIdStatus::exit_status).map(Exit::Code);
        let signal = || status.as_ref().and_then(WaitIdStatus::terminating_signal).map(Exit::Signal);
        code.or_else(signal).unwrap_or(Exit::Gone)
    }
}

/// Whether a process runs. The answer stays the same until [`stop`](super::stop()) has cleared it away.
pub fn observe(handle: &Handle) -> Liveness {
    match handle.look() {
        Found::Running => Liveness::Alive,
        Found::Zombie => Liveness::Exited { reason: handle.exit() },
        Found::Nothing | Found::Stranger => Liveness::Exited { reason: Exit::Gone },
    }
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}
