use std::path::Path;

use runtime::{Exit, Handle, Liveness, failure_hint, log_file, progress};

use super::launch;
use super::replica::Phase;
use crate::Manager;

/// Bytes of a log that are searched for the reason of an end.
const TAIL: u64 = 16 << 10;
/// Characters of a log's last line that are shown.
const LINE: usize = 200;
/// Lines of a log that are shown of what failed.
const LINES: usize = 10;

// === impl Manager ===

impl Manager {
    /// Looks at every process; whether one that took requests has ended.
    pub(super) async fn observe(&self) -> bool {
        let running: Vec<_> = self.inner().fleet.with(|replicas| {
            let with_process = replicas
                .iter()
                .filter(|(_, replica)| replica.ended.is_none() && !matches!(replica.phase, Phase::Stopping { .. }));
            with_process.filter_map(|(id, replica)| Some((id.clone(), replica.process.clone()?.handle))).collect()
        });
        let mut any_ended = false;
        for (id, handle) in running {
            let Some(Liveness::Exited { reason }) = self.runtimes().observe(&handle).await else { continue };
            let tail = self.runtimes().log_tail(&handle, TAIL).await;
            any_ended = true;
            self.note_end(&id, describe(reason, &tail, &launch::log_file(&self.config().home, &id)), &tail);
        }
        any_ended
    }

    /// How an engine ended, and what it printed last.
    pub(super) fn note_end(&self, id: &str, end: String, tail: &str) {
        self.inner().fleet.update_known(id, |replica| {
            replica.ended = Some(end);
            replica.last_lines = last_lines(tail);
        });
    }

    /// How far those are that start, as their own logs tell.
    pub(super) async fn observe_progress(&self) {
        let starting: Vec<_> = self.inner().fleet.with(|replicas| {
            let all = replicas.iter().filter(|(_, replica)| matches!(replica.phase, Phase::Starting { .. }));
            all.filter_map(|(id, replica)| Some((id.clone(), log_start(&replica.process.as_ref()?.handle)))).collect()
        });
        for (id, start) in starting {
            let path = launch::log_file(&self.config().home, &id);
            let tail = tokio::task::spawn_blocking(move || log_file::tail(&path, start, TAIL)).await;
            let Ok(Ok(tail)) = tail else { continue };
            self.inner().fleet.update_known(&id, |replica| replica.progress = progress(&tail));
        }
    }
}

fn log_start(handle: &Handle) -> u64 {
    match handle {
        Handle::Process(process) => process.log_start,
        Handle::Docker(container) => container.log_start,
    }
}

/// The last lines of a log, without what terminals act upon.
fn last_lines(tail: &str) -> Vec<String> {
    let lines: Vec<_> = tail.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    last.iter().map(|line| line.chars().filter(|c| !c.is_control()).take(LINE).collect()).collect()
}

/// How an engine ended, and why if its log or the end itself tells.
pub(super) fn describe(exit: Exit, tail: &str, log: &Path) -> String {
    let why = failure_hint(tail).or_else(|| exit.hint().map(str::to_owned)).or_else(|| last_line(tail));
    match why {
        Some(why) => format!("ended ({exit}): {why} (log: {})", log.display()),
        None => format!("ended ({exit}) (log: {})", log.display()),
    }
}

/// The last line that says something, without what terminals act upon.
pub(super) fn last_line(tail: &str) -> Option<String> {
    let line = tail.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().filter(|c| !c.is_control()).take(LINE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_described_by_hint_or_last_line() {
        let described = |tail: &str| describe(Exit::Code(1), tail, Path::new("/logs/d-0.log"));
        assert_eq!(described(""), "ended (exit code 1) (log: /logs/d-0.log)");
        let line = described("loading\nbad thing\u{7} happened\n\n");
        assert_eq!(line, "ended (exit code 1): bad thing happened (log: /logs/d-0.log)");
        assert!(described("CUDA out of memory\nbad thing\n").contains("out of GPU memory"));
    }
}
