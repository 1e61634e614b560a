use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::projection::{self, Projection};
use crate::Home;
use crate::home::unfinished;

/// A file that is generated from what applies. Written from the store, never read while there is a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// Where it lies.
    pub(crate) path: PathBuf,
    pub(crate) content: Vec<u8>,
}

/// Artifacts on the disk under other names: to be put in place once the revision is committed.
#[derive(Debug, Default)]
pub(super) struct Prepared(Vec<Written>);

#[derive(Debug)]
struct Written {
    temporary: PathBuf,
    target: PathBuf,
}

/// An artifact cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; nothing was applied", path.display())]
pub(crate) struct ArtifactError {
    path: PathBuf,
    source: io::Error,
}

/// What is generated beside the files for other programs, which [`Manager::generated`](crate::Manager::generated) adds:
/// one line each.
pub(crate) fn artifacts(home: &Home, projection: &Projection<'_>) -> Vec<Artifact> {
    vec![Artifact { path: home.config(), content: projection::text(projection).into_bytes() }]
}

// === impl Artifact ===

impl Artifact {
    /// Whether the file is as it should be.
    pub(crate) fn stands(&self) -> bool {
        std::fs::read(&self.path).is_ok_and(|stands| stands == self.content)
    }

    /// Rewrites the file where it differs; whether it did.
    pub(crate) fn restore(self) -> io::Result<bool> {
        if self.stands() {
            return Ok(false);
        }
        let prepared = Prepared::write(vec![self], || ()).map_err(|error| error.source)?;
        prepared.put_in_place(|| ())?;
        Ok(true)
    }
}

// === impl Prepared ===

impl Prepared {
    /// Writes artifacts beside their places, forces them to the disk and reads them back; all of them or none.
    /// `each` is called after each.
    pub(super) fn write(artifacts: Vec<Artifact>, each: impl Fn()) -> Result<Self, ArtifactError> {
        let mut prepared = Self::default();
        for Artifact { path: target, content } in artifacts {
            let temporary = unfinished(&target);
            let result = write_and_read_back(&temporary, &content);
            prepared.0.push(Written { temporary: temporary.clone(), target });
            if let Err(source) = result {
                prepared.discard();
                return Err(ArtifactError { path: temporary, source });
            }
            each();
        }
        Ok(prepared)
    }

    /// Puts them in place; `each` is called after each.
    pub(super) fn put_in_place(self, each: impl Fn()) -> io::Result<()> {
        for Written { temporary, target } in self.0 {
            std::fs::rename(&temporary, &target)?;
            // The rename itself lasts once the folder is on the disk.
            File::open(target.parent().unwrap_or(Path::new("/")))?.sync_all()?;
            each();
        }
        Ok(())
    }

    /// Takes them back: nothing was committed.
    pub(super) fn discard(self) {
        for Written { temporary, .. } in self.0 {
            let _ = std::fs::remove_file(temporary);
        }
    }
}

fn write_and_read_back(path: &Path, content: &[u8]) -> io::Result<()> {
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    if std::fs::read(path)? != content {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what was read back differs from what was written"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(folder: &Path, name: &str, content: &str) -> Artifact {
        Artifact { path: folder.join(name), content: content.into() }
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn artifacts_are_seen_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let both = || vec![artifact(folder.path(), "a", "1"), artifact(folder.path(), "b", "2")];
        let prepared = Prepared::write(both(), || ()).unwrap();
        assert_eq!(files(folder.path()), ["a.new", "b.new"]);
        prepared.put_in_place(|| ()).unwrap();
        assert!(both().iter().all(Artifact::stands));
        Prepared::write(vec![artifact(folder.path(), "a", "3")], || ()).unwrap().discard();
        assert_eq!(files(folder.path()), ["a", "b"]);
    }

    #[test]
    fn one_that_cannot_be_written_takes_the_others_back() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b.new")).unwrap();
        let both = vec![artifact(folder.path(), "a", "1"), artifact(folder.path(), "b", "2")];
        assert!(Prepared::write(both, || ()).unwrap_err().to_string().contains("b.new"));
        assert_eq!(files(folder.path()), ["b.new"]);
    }

    #[test]
    fn a_hand_edit_is_overwritten_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = artifact(folder.path(), "a", "1");
        assert!(wanted.clone().restore().unwrap(), "missing");
        assert!(!wanted.clone().restore().unwrap(), "as it should be");
        std::fs::write(&wanted.path, "2").unwrap();
        assert!(wanted.clone().restore().unwrap(), "edited");
        assert!(!wanted.restore().unwrap());
    }
}
