use std::path::Path;
use std::{fs, io};

use serde::Serialize;

use super::overview::{own, refs, snapshots};
use super::{Cache, CacheError, Folder, lock};
use crate::{Repository, Revision};

/// What must not be taken away, and who needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// The model at the Hub.
    pub repository: String,
    /// The revision; none means any: whichever the cache leads to.
    pub revision: Option<String>,
    /// Who uses it, to be shown.
    pub by: String,
}

/// What was taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The model.
    pub model: String,
    /// Commits of the revisions.
    pub revisions: Vec<String>,
    /// Bytes that are free now.
    pub freed_bytes: u64,
}

// === impl Cache ===

impl Cache {
    /// Takes away a model, or one revision of it (by branch, tag or commit). Blobs that other revisions have stay. Never
    /// what is in use, and never while something of the model is fetched.
    pub fn remove(
        &self,
        repository: &Repository,
        revision: Option<&Revision>,
        in_use: &[InUse],
    ) -> Result<Removed, CacheError> {
        let folder = Folder::new(self.path(), repository);
        if !folder.path().is_dir() {
            return Err(self.absent(repository.as_str()));
        }
        let held = |by: &str| CacheError::InUse { what: repository.to_string(), by: by.to_owned() };
        if lock::is_fetched(&folder)? {
            return Err(held("a download that runs"));
        }
        let users: Vec<_> = in_use.iter().filter(|user| user.repository == repository.as_str()).collect();
        match revision {
            None => match users.first() {
                Some(user) => Err(held(&user.by)),
                None => self.remove_whole(repository, &folder),
            },
            Some(revision) => self.remove_revision(repository, &folder, revision, &users),
        }
    }

    fn remove_whole(&self, repository: &Repository, folder: &Folder) -> Result<Removed, CacheError> {
        let model = self.model_or_absent(repository)?;
        // Renamed first: nobody sees a half of it.
        let leaving = self.path().join(format!(".{}.removed", repository.folder()));
        let io = |cause| CacheError::io(folder.path(), cause);
        remove_tree(&leaving).map_err(io)?;
        fs::rename(folder.path(), &leaving).map_err(io)?;
        remove_tree(&leaving).map_err(io)?;
        remove_tree(folder.locks()).map_err(io)?;
        let revisions = model.revisions.into_iter().map(|revision| revision.commit).collect();
        Ok(Removed { model: model.model, revisions, freed_bytes: model.bytes })
    }

    fn remove_revision(
        &self,
        repository: &Repository,
        folder: &Folder,
        revision: &Revision,
        users: &[&InUse],
    ) -> Result<Removed, CacheError> {
        let refs = refs(folder);
        let resolve =
            |name: &str| refs.iter().find(|(known, _)| known == name).map_or(name.to_owned(), |(_, to)| to.clone());
        let commit = resolve(revision.as_str());
        let all = snapshots(folder)?;
        let snapshot = all.iter().find(|snapshot| snapshot.commit.as_str() == commit);
        let snapshot = snapshot.ok_or_else(|| self.absent(&format!("revision {revision} of {repository}")))?;
        let uses = |user: &&&InUse| resolve(user.revision.as_deref().unwrap_or("main")) == commit;
        if let Some(user) = users.iter().find(uses) {
            return Err(CacheError::InUse {
                what: format!("revision {revision} of {repository}"),
                by: user.by.clone(),
            });
        }
        let own = own(snapshot, &all);
        for (name, _) in refs.iter().filter(|(_, to)| *to == commit) {
            remove_file(&folder.refs().join(name))?;
        }
        // What Python tools noted of it.
        remove_file(&folder.path().join("trees").join(format!("{commit}.json")))?;
        let path = folder.snapshot(&snapshot.commit);
        remove_tree(&path).map_err(|cause| CacheError::io(path, cause))?;
        for name in own.keys() {
            remove_file(&folder.blobs().join(name))?;
        }
        if all.len() == 1 {
            // Nothing but what no revision has is left.
            self.remove_whole(repository, folder)?;
        }
        let freed_bytes = own.values().sum();
        Ok(Removed { model: repository.to_string(), revisions: vec![commit], freed_bytes })
    }

    fn model_or_absent(&self, repository: &Repository) -> Result<super::CachedModel, CacheError> {
        let models = self.models()?;
        let found = models.into_iter().find(|model| model.model == repository.as_str());
        found.ok_or_else(|| self.absent(repository.as_str()))
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<(), CacheError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CacheError::io(path, error)),
        _ => Ok(()),
    }
}
