use std::fs::{File, TryLockError};

use tokio::time::sleep;

use super::{CacheError, Folder};
use crate::HubError;
use crate::hub::LOCK_POLL;
use crate::pull::Digest;

/// Nobody else fetches this blob, whatever program they use. Given back when dropped, also by a crash.
#[derive(Debug)]
pub(crate) struct BlobLock {
    _file: File,
}

// === impl BlobLock ===

impl BlobLock {
    /// Waits for whoever has it.
    pub(crate) async fn take(folder: &Folder, digest: &Digest) -> Result<Self, HubError> {
        let path = folder.lock_of(digest);
        let io = |cause| HubError::io(&path, cause);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => sleep(LOCK_POLL).await,
                Err(TryLockError::Error(cause)) => return Err(io(cause)),
            }
        }
    }
}

/// Whether somebody fetches something of a model right now.
pub(super) fn is_fetched(folder: &Folder) -> Result<bool, CacheError> {
    for name in super::names(folder.locks())? {
        let Ok(file) = File::open(folder.locks().join(&name)) else { continue };
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(true);
        }
    }
    Ok(false)
}
