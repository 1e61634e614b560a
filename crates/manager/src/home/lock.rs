use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Bytes that are read of a lock file; more are not ours.
const MAX_NOTE_BYTES: u64 = 40;

/// Keeps other managers away from a home for as long as it lives.
#[derive(Debug)]
pub struct HomeLock(File);

/// What uses a home; stands beside the process id in the lock file, so that others know whether waiting helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A service: it stays until somebody ends it.
    Serve,
    /// A command that works on a home where nothing runs: it is gone in a moment.
    Command,
    /// Somebody who has not written it down: just taking the lock, or just letting go of it.
    Unknown,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(super) enum LockError {
    Io(io::Error),
    Held { holder: Holder, pid: String },
}

// === impl HomeLock ===

impl HomeLock {
    /// Takes the lock and writes down who has it.
    pub(super) fn take(path: &Path, holder: Holder) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(read_note(&mut file)),
            Err(error) => return Err(LockError::Io(error.into())),
        }
        let mut lock = Self(file);
        lock.write_note(holder)?;
        Ok(lock)
    }

    fn write_note(&mut self, holder: Holder) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        writeln!(self.0, "{} {holder}", std::process::id())
    }
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        // What stays behind would be taken for the next holder's until that one has written its own.
        let _ = self.0.set_len(0);
    }
}

// === impl Holder ===

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serve => "serve",
            Self::Command => "command",
            Self::Unknown => "unknown",
        })
    }
}

// === impl LockError ===

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Who has the lock, as far as it is written down. A note of a process that is dead is not the holder's.
fn read_note(file: &mut File) -> LockError {
    let mut text = String::new();
    let _ = file.take(MAX_NOTE_BYTES).read_to_string(&mut text);
    let (pid, holder) = text.trim().split_once(' ').unwrap_or_default();
    let known = pid.parse::<u32>().is_ok() && Path::new("/proc").join(pid).exists();
    let holder = match holder {
        "serve" if known => Holder::Serve,
        "command" if known => Holder::Command,
        _ => Holder::Unknown,
    };
    LockError::Held { holder, pid: if known { pid.to_owned() } else { "unknown".to_owned() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(path: &Path) -> (Holder, String) {
        match HomeLock::take(path, Holder::Serve) {
            Err(LockError::Held { holder, pid }) => (holder, pid),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_holds_it_is_written_down_and_forgotten_with_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let me = std::process::id().to_string();
        for kind in [Holder::Serve, Holder::Command] {
            let lock = HomeLock::take(&path, kind).unwrap();
            assert_eq!(holder(&path), (kind, me.clone()));
            drop(lock);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        }
    }

    #[test]
    fn a_note_of_a_dead_process_says_nothing_about_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let _lock = HomeLock::take(&path, Holder::Command).unwrap();
        for note in ["4294967295 serve\n", "4294967295\n", "", "../1 serve"] {
            std::fs::write(&path, note).unwrap();
            assert_eq!(holder(&path), (Holder::Unknown, "unknown".to_owned()), "{note}");
        }
    }
}
