use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::CacheError;
use crate::pull::Digest;
use crate::revision::Commit;
use crate::{HubError, Repository, Revision};

/// Where one model lies in a cache.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    locks: PathBuf,
}

// === impl Folder ===

impl Folder {
    pub(crate) fn new(cache: &Path, repository: &Repository) -> Self {
        let name = repository.folder();
        Self { path: cache.join(&name), locks: cache.join(".locks").join(&name) }
    }

    pub(super) fn make(&self) -> Result<(), CacheError> {
        for folder in [self.blobs(), self.path.join("snapshots"), self.refs(), self.locks.clone()] {
            fs::create_dir_all(&folder).map_err(|cause| CacheError::io(folder, cause))?;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn locks(&self) -> &Path {
        &self.locks
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    pub(super) fn refs(&self) -> PathBuf {
        self.path.join("refs")
    }

    pub(crate) fn snapshot(&self, commit: &Commit) -> PathBuf {
        self.path.join("snapshots").join(commit.as_str())
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.as_str())
    }

    pub(crate) fn partial(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(format!("{}.incomplete", digest.as_str()))
    }

    pub(super) fn lock_of(&self, digest: &Digest) -> PathBuf {
        self.locks.join(format!("{}.lock", digest.as_str()))
    }

    /// Whether the content is there. It got its name when its checksum was right.
    pub(crate) fn has_blob(&self, digest: &Digest, size: u64) -> bool {
        fs::metadata(self.blob(digest)).is_ok_and(|meta| meta.is_file() && meta.len() == size)
    }

    /// Bytes that are still to come.
    pub(crate) fn missing(&self, digest: &Digest, size: u64) -> u64 {
        if self.has_blob(digest, size) {
            return 0;
        }
        let kept = fs::metadata(self.partial(digest)).map_or(0, |meta| meta.len());
        if kept > size { size } else { size - kept }
    }

    /// Lets a path of a snapshot lead to a blob.
    pub(crate) fn link(&self, commit: &Commit, path: &str, digest: &Digest) -> Result<(), HubError> {
        let link = self.snapshot(commit).join(path);
        // Out of the path's folders, the snapshot and `snapshots`.
        let up = "../".repeat(path.split('/').count() + 1);
        let target = PathBuf::from(format!("{up}blobs/{}", digest.as_str()));
        if fs::read_link(&link).is_ok_and(|found| found == target) {
            return Ok(());
        }
        let io = |cause| HubError::io(&link, cause);
        let parent = link.parent().unwrap_or(&link);
        fs::create_dir_all(parent).map_err(io)?;
        let new = parent.join(format!(".{}.new", digest.as_str()));
        remove_if_there(&new).and_then(|()| symlink(&target, &new)).and_then(|()| fs::rename(&new, &link)).map_err(io)
    }

    /// The commit that a branch or a tag was when it was fetched last.
    pub(super) fn commit_of(&self, revision: &Revision) -> Option<Commit> {
        let text = fs::read_to_string(self.refs().join(revision.as_str())).ok()?;
        Commit::new(text.trim())
    }

    /// Notes which commit a branch or a tag is.
    pub(crate) fn set_ref(&self, revision: &Revision, commit: &Commit) -> Result<(), HubError> {
        if revision.as_str() == commit.as_str() {
            return Ok(());
        }
        let path = self.refs().join(revision.as_str());
        if fs::read_to_string(&path).is_ok_and(|found| found == commit.as_str()) {
            return Ok(());
        }
        let io = |cause| HubError::io(&path, cause);
        let parent = path.parent().unwrap_or(&path);
        fs::create_dir_all(parent).map_err(io)?;
        let new = parent.join(format!(".{commit}.new"));
        fs::write(&new, commit.as_str()).and_then(|()| fs::rename(&new, &path)).map_err(io)
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
