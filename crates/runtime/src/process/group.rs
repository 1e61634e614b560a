use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpgid};

use super::identity::{Found, Handle};
use super::stat;
use crate::log_file;

/// The processes of the handle's group that have not ended.
pub(super) fn members(handle: &Handle) -> io::Result<Vec<u32>> {
    let found = handle.look();
    if found == Found::Stranger {
        return Ok(Vec::new());
    }
    let living = stat::all()?.filter(|(_, stat)| stat.group == handle.pid && !stat.is_zombie()).map(|(pid, _)| pid);
    // While the first of the group is there, at least as a zombie, the id of the group is surely its own.
    // Afterwards it could be that of a later group which lost its first process too.
    Ok(living.filter(|pid| found != Found::Nothing || writes_to(*pid, &handle.log_file)).collect())
}

/// Sends a signal to all of the group. One that has ended already is no error.
pub(super) fn signal(handle: &Handle, members: &[u32], signal: Signal) -> io::Result<()> {
    let sent = match (handle.look(), handle.as_pid()) {
        (Found::Running | Found::Zombie, Some(pid)) => kill_process_group(pid, signal),
        // One by one, since the group's id may not be ours; a child that is born meanwhile is met in the next round.
        (Found::Nothing, _) => members.iter().filter_map(|pid| pid_of(*pid)).try_for_each(|pid| kill(pid, signal)),
        _ => Ok(()),
    };
    match sent {
        Err(Errno::SRCH) => Ok(()),
        sent => Ok(sent?),
    }
}

/// Sends a signal to one process. That it has ended already is no error.
pub(super) fn signal_one(pid: u32, signal: Signal) -> io::Result<()> {
    pid_of(pid).map_or(Ok(()), |pid| Ok(kill(pid, signal)?))
}

/// Reaps the first process of the group, if it is our child, and what was left to us of the rest.
pub(super) fn reap(handle: &Handle) {
    if handle.look() != Found::Zombie {
        return;
    }
    let Some(pid) = handle.as_pid() else { return };
    // Where Enginehouse is the init of a container, it inherits the orphans of its engines.
    while let Ok(Some(_)) = waitpgid(pid, WaitOptions::NOHANG) {}
}

fn kill(pid: Pid, signal: Signal) -> Result<(), Errno> {
    match kill_process(pid, signal) {
        Err(Errno::SRCH) => Ok(()),
        sent => sent,
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Whether a process has the log, or the one put aside, as its standard output or error.
fn writes_to(pid: u32, log: &Path) -> bool {
    let aside = log_file::aside(log);
    [1, 2]
        .into_iter()
        .any(|fd| fs::read_link(format!("/proc/{pid}/fd/{fd}")).is_ok_and(|path| path == log || path == aside))
}
