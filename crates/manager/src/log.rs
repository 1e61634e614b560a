//! What engines print, read back.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use runtime::log_file;

use crate::Manager;
use crate::reconciler::log_file as path_of;

/// Bytes at the end of a log in which its last lines are looked for.
const TAIL_BYTES: u64 = 4 << 20;
/// Bytes that are read of a log at once.
const READ_BYTES: u64 = 64 << 10;
/// Bytes of a line; the rest of a longer one comes as another.
const LINE_BYTES: usize = 16 << 10;

/// Follows the log of one replica.
#[derive(Debug)]
pub(crate) struct LogFollower {
    /// Id of the replica.
    pub(crate) replica: String,
    path: PathBuf,
    /// How far it is read.
    end: u64,
    /// The beginning of a line whose end has not been written yet.
    begun: Vec<u8>,
}

// === impl Manager ===

impl Manager {
    /// Where a replica writes.
    pub(crate) fn replica_log(&self, id: &str) -> PathBuf {
        path_of(&self.config().home, id)
    }
}

// === impl LogFollower ===

impl LogFollower {
    pub(crate) fn new(replica: String, path: PathBuf, end: u64) -> Self {
        Self { replica, path, end, begun: Vec::new() }
    }

    /// Whole lines that are new; none where there are none, or the file cannot be read now.
    pub(crate) async fn read(&mut self) -> Vec<String> {
        let (path, end) = (self.path.clone(), self.end);
        let read = tokio::task::spawn_blocking(move || read_from(&path, end)).await;
        let Ok(Ok((bytes, end))) = read else { return Vec::new() };
        self.end = end;
        self.begun.extend(bytes);
        self.take_lines()
    }

    fn take_lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let newline = self.begun.iter().position(|byte| *byte == b'\n');
            let cut = newline.map_or(self.begun.len(), |at| at + 1).min(LINE_BYTES);
            if newline.is_none() && cut < LINE_BYTES {
                return lines;
            }
            let line: Vec<u8> = self.begun.drain(..cut).collect();
            lines.push(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
        }
    }
}

/// The last lines of a log, and its length; nothing where there is no log.
pub(crate) fn last_lines(path: &Path, count: usize) -> (Vec<String>, u64) {
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let text = log_file::tail(path, 0, TAIL_BYTES).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let cut = |line: &&str| line.chars().take(LINE_BYTES).collect();
    (lines[lines.len().saturating_sub(count)..].iter().map(cut).collect(), length)
}

/// What stands behind `end`, and how far that goes. A log that is shorter by now was emptied since.
fn read_from(path: &Path, end: u64) -> io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    let from = if file.metadata()?.len() < end { 0 } else { end };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    let read = file.take(READ_BYTES).read_to_end(&mut bytes)?;
    Ok((bytes, from + read as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_also_after_the_log_was_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, "one\ntwo\nthr").unwrap();
        let (lines, end) = last_lines(&path, 2);
        assert_eq!(lines, ["two", "thr"]);
        let mut log = LogFollower::new("a".into(), path.clone(), 8);
        assert_eq!((log.read().await, end), (Vec::new(), 11), "a line that goes on");
        std::fs::write(&path, "one\ntwo\nthree\nfour\n").unwrap();
        assert_eq!(log.read().await, ["three", "four"]);
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(log.read().await, ["new"]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(log.read().await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, "x".repeat(LINE_BYTES * 2 + 5)).unwrap();
        let mut log = LogFollower::new("a".into(), path, 0);
        let lines = log.read().await;
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LINE_BYTES, LINE_BYTES]);
    }
}
