use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::revision::Commit;
use crate::{Repository, Revision, repository};

mod folder;
mod lock;
mod overview;
mod presence;
mod remove;

pub(crate) use folder::Folder;
pub(crate) use lock::BlobLock;
pub use overview::{CachedModel, CachedRevision};
pub use presence::Presence;
pub use remove::{InUse, Removed};

/// A folder with models, shared with engines and Python tools.
#[derive(Clone, Debug)]
pub struct Cache(PathBuf);

/// The cache cannot be used as wished.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The system refuses.
    #[error("{} cannot be used: {cause}; check who owns it, or set HF_HOME to another folder", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said; told in the text, so it is no `source`.
        cause: io::Error,
    },
    /// There is no such model, or no such revision of it.
    #[error("there is no {what} in {}: `enginehouse hub list` shows what there is", cache.display())]
    Absent {
        /// What was looked for.
        what: String,
        /// Where.
        cache: PathBuf,
    },
    /// It must not be taken away.
    #[error("{what} is in use by {by}: remove or change that first; nothing was removed")]
    InUse {
        /// What was to be removed.
        what: String,
        /// By whom.
        by: String,
    },
}

// === impl Cache ===

impl Cache {
    /// At a folder, which need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of a revision as engines find it offline: by its commit, or by the branch or tag as it was fetched
    /// last. None if it was never fetched; that all its files are there is not checked.
    pub fn snapshot(&self, repository: &Repository, revision: &Revision) -> Option<PathBuf> {
        let folder = Folder::new(&self.0, repository);
        let commit = Commit::new(revision.as_str()).or_else(|| folder.commit_of(revision))?;
        Some(folder.snapshot(&commit)).filter(|path| path.is_dir())
    }

    /// The folder of a model, made if it is not there.
    pub(crate) fn folder(&self, repository: &Repository) -> Result<Folder, CacheError> {
        let folder = Folder::new(&self.0, repository);
        folder.make()?;
        Ok(folder)
    }

    /// Bytes that are free where the cache is.
    pub fn available(&self) -> Result<u64, CacheError> {
        let found = rustix::fs::statvfs(&self.0).map_err(|cause| CacheError::io(&self.0, cause.into()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn absent(&self, what: &str) -> CacheError {
        CacheError::Absent { what: repository::shown(what), cache: self.0.clone() }
    }
}

// === impl CacheError ===

impl CacheError {
    pub(crate) fn io(path: impl Into<PathBuf>, cause: io::Error) -> Self {
        Self::Io { path: path.into(), cause }
    }
}

/// Names of what is in a folder; none if that is not there.
fn names(folder: &Path) -> Result<Vec<String>, CacheError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(CacheError::io(folder, cause)),
    };
    let mut names: Vec<_> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}
