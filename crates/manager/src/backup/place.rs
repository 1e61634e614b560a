use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use ambient::Rng;

use super::BackupError;

/// A folder that goes unless it is kept.
pub(super) struct Scratch(Option<PathBuf>);

/// A home that has taken its place.
pub(super) struct Placed {
    home: PathBuf,
    /// Where what was there before is now.
    pub(super) set_aside: Option<PathBuf>,
}

// === impl Scratch ===

impl Scratch {
    /// A folder beside `home`, on the same disk, for its owner only.
    pub(super) fn beside(home: &Path, rng: &Rng) -> Result<Self, BackupError> {
        let path = beside(home, &format!("restore-{}", hex::encode(rng.bytes::<4>())));
        let parent = path.parent().unwrap_or(&path);
        fs::create_dir_all(parent).map_err(BackupError::io("make", parent))?;
        DirBuilder::new().mode(0o700).create(&path).map_err(BackupError::io("make", &path))?;
        Ok(Self(Some(path)))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Makes it the home. One that is there gets `aside` behind its name, if that is given and it is not empty.
    pub(super) fn put_in_place(mut self, home: &Path, aside: Option<&str>) -> Result<Placed, BackupError> {
        let path = self.path().to_owned();
        sync_folder(&path).map_err(BackupError::io("force to the disk", &path))?;
        let set_aside = match (fs::rename(&path, home), aside) {
            // An empty folder is replaced.
            (Ok(()), _) => None,
            (Err(_), Some(aside)) if home.is_dir() => {
                let aside = beside(home, aside);
                fs::rename(home, &aside).map_err(BackupError::io("set aside", home))?;
                if let Err(error) = fs::rename(&path, home) {
                    // Back to where it was.
                    let _ = fs::rename(&aside, home);
                    return Err(BackupError::io("make", home)(error));
                }
                Some(aside)
            }
            (Err(error), _) => return Err(BackupError::io("make", home)(error)),
        };
        self.0 = None;
        let parent = home.parent().unwrap_or(home);
        sync_folder(parent).map_err(BackupError::io("force to the disk", parent))?;
        Ok(Placed { home: home.to_owned(), set_aside })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = fs::remove_dir_all(path)
        {
            tracing::warn!(path = %path.display(), %error, "what was unpacked of the backup is left there; remove it");
        }
    }
}

// === impl Placed ===

impl Placed {
    /// Takes it away again, and puts back what was there before.
    pub(super) fn undo(self, rng: &Rng) {
        let away = beside(&self.home, &format!("restore-{}", hex::encode(rng.bytes::<4>())));
        let undone = fs::rename(&self.home, &away).and_then(|()| match &self.set_aside {
            Some(before) => fs::rename(before, &self.home),
            None => Ok(()),
        });
        if let Err(error) = undone.and_then(|()| fs::remove_dir_all(&away)) {
            tracing::warn!(home = %self.home.display(), %error, "the home that was not restored is left there; remove it");
        }
    }
}

/// `<home>.<word>`.
pub(super) fn beside(home: &Path, word: &str) -> PathBuf {
    let mut name = home.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{word}"));
    home.with_file_name(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
