use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Signal, getpgrp};
use tokio::time::{Instant, sleep};

use super::stop::FORCE;
use super::{StopError, group, stat};
use crate::runtime::blocking;

/// Variable in the environment of an engine that says whose it is. What the engine starts inherits it, so that both
/// are found where no handle is known.
pub const TAG: &str = "ENGINEHOUSE_REPLICA";

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// A running process that bears a tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tagged {
    /// Its pid.
    pub pid: u32,
    /// What its [`TAG`] says.
    pub tag: String,
}

/// The processes that bear one tag, with the rest of their groups: a program may overwrite its own environment.
#[derive(Debug)]
struct Strays {
    tag: String,
    /// Start ticks by pid: a pid alone could be given to a stranger meanwhile.
    known: BTreeMap<u32, u64>,
}

// === impl Strays ===

impl Strays {
    /// Those that run now.
    fn look(&mut self) -> io::Result<Vec<u32>> {
        let all: Vec<_> = stat::all()?.filter(|(_, stat)| !stat.is_zombie()).collect();
        let bearers: BTreeSet<_> =
            tagged(&self.tag)?.into_iter().filter(|t| t.tag == self.tag).map(|t| t.pid).collect();
        let is_known = |pid: &u32, ticks: u64| self.known.get(pid) == Some(&ticks) || bearers.contains(pid);
        let own = u32::try_from(getpgrp().as_raw_nonzero().get()).unwrap_or_default();
        let known = all.iter().filter(|(pid, stat)| is_known(pid, stat.start_ticks));
        let groups: BTreeSet<_> = known.map(|(_, stat)| stat.group).filter(|group| *group != own).collect();
        let strays = all
            .iter()
            .filter(|(pid, stat)| is_known(pid, stat.start_ticks) || groups.contains(&stat.group))
            .map(|(pid, stat)| (*pid, stat.start_ticks));
        self.known = strays.collect();
        Ok(self.known.keys().copied().collect())
    }
}

/// All running processes but this one whose [`TAG`] begins with `prefix`, by pid. Those of other users cannot be
/// seen.
pub fn tagged(prefix: &str) -> io::Result<Vec<Tagged>> {
    let own = std::process::id();
    let others = stat::all()?.filter(|(pid, stat)| *pid != own && !stat.is_zombie());
    let mut found: Vec<_> = others.filter_map(|(pid, _)| Some(Tagged { pid, tag: tag_of(pid)? })).collect();
    found.retain(|process| process.tag.starts_with(prefix));
    found.sort();
    Ok(found)
}

/// Ends all processes that bear exactly this tag, each with its group: SIGTERM, and SIGKILL to what is left after
/// `grace`. If there are none, there is nothing to do.
pub async fn stop_tagged(tag: &str, grace: Duration) -> Result<(), StopError> {
    let mut strays = Strays { tag: tag.to_owned(), known: BTreeMap::new() };
    let mut left = Vec::new();
    for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, FORCE)] {
        (strays, left) = ended(strays, signal, patience).await?;
        if left.is_empty() {
            return Ok(());
        }
    }
    Err(StopError::Stuck { pid: left.first().copied().unwrap_or_default(), pids: left })
}

/// Signals them until none is left, at most for `patience`; what is left. SIGTERM goes to each of them once.
async fn ended(mut strays: Strays, signal: Signal, patience: Duration) -> Result<(Strays, Vec<u32>), StopError> {
    let deadline = Instant::now() + patience;
    let mut signalled = BTreeSet::new();
    loop {
        let looked = blocking(move || strays.look().map(|left| (strays, left))).await;
        let left;
        (strays, left) = looked.map_err(|source| StopError::Signal { pid: 0, source })?;
        if left.is_empty() || Instant::now() >= deadline {
            return Ok((strays, left));
        }
        for pid in &left {
            if signalled.insert(*pid) || signal == Signal::KILL {
                group::signal_one(*pid, signal).map_err(|source| StopError::Signal { pid: *pid, source })?;
            }
        }
        sleep(PAUSE).await;
    }
}

fn tag_of(pid: u32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = environment.split(|byte| *byte == 0).find_map(|entry| {
        let (name, value) = entry.split_at_checked(TAG.len())?;
        (name == TAG.as_bytes()).then(|| value.strip_prefix(b"="))?
    });
    Some(String::from_utf8_lossy(value?).into_owned())
}
