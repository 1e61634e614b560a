//! What tests do to a disk: let it fail, and know what a power cut would leave.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

static COPYING: Mutex<()> = Mutex::new(());

#[derive(Debug)]
pub(crate) struct Faults {
    path: PathBuf,
    broken: AtomicBool,
    /// Bytes that the next write of records takes at most, before it fails.
    torn: AtomicUsize,
}

// === impl Faults ===

impl Faults {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), broken: AtomicBool::new(false), torn: AtomicUsize::new(usize::MAX) }
    }

    /// Makes every write and sync fail from now on, or work again.
    pub(crate) fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    /// Makes the next write of records fail after so many bytes.
    pub(crate) fn tear_next(&self, bytes: usize) {
        self.torn.store(bytes, Ordering::Relaxed);
    }

    /// What of `bytes` is to be written now, and how it fails then.
    pub(super) fn tear<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], io::Result<()>) {
        match bytes.get(..self.torn.swap(usize::MAX, Ordering::Relaxed)) {
            Some(some) => (some, Err(io::Error::from(io::ErrorKind::StorageFull))),
            None => (bytes, Ok(())),
        }
    }

    pub(super) fn check(&self) -> io::Result<()> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    /// Keeps a copy of the file as it is now safe on disk; none if the directory was deleted.
    pub(super) fn synced(&self) {
        let _one_at_a_time = COPYING.lock();
        let _ = std::fs::copy(&self.path, durable(&self.path));
    }
}

/// Where the copy of what is safe on disk lies.
pub(crate) fn durable(path: &Path) -> PathBuf {
    path.with_extension("durable")
}
