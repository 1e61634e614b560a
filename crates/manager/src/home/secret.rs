//! Files of a home that hold one short text, written whole or not at all, and never readable for others.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use snapshot::Secret;

use super::Home;

/// What a file is called while it is written: this behind its name.
const TEMPORARY: &str = ".new";

// === impl Home ===

impl Home {
    /// Keeps a master key that was made, before anything takes it.
    pub(crate) fn keep_master_key(&self, key: &Secret) -> io::Result<()> {
        write(&self.master_key(), key.expose())
    }

    /// Writes a master key into its file, if there is one; where that is.
    pub(crate) fn replace_master_key(&self, key: &Secret) -> io::Result<Option<PathBuf>> {
        let path = self.master_key();
        if !path.exists() {
            return Ok(None);
        }
        write(&path, key.expose())?;
        Ok(Some(path))
    }

    /// Keeps the password of the first account that was made, before the account has it.
    pub(crate) fn keep_admin_password(&self, password: &Secret) -> io::Result<()> {
        write(&self.admin_password(), password.expose())
    }

    /// Takes away what the first account had as its password.
    pub(crate) fn forget_admin_password(&self) {
        let path = self.admin_password();
        match fs::remove_file(&path) {
            Ok(()) => {
                tracing::info!(path = %path.display(), "the password in it is none any more; the file is removed");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the password in it is none any more; remove the file");
            }
        }
    }

    /// Takes away files that were being written when an earlier manager died. Call it with the lock held. That of the
    /// snapshot stays: a gateway that runs apart may be writing it.
    pub(crate) fn clear_unfinished(&self, rendered: &[&str]) {
        let ours = [self.config(), self.master_key(), self.admin_password(), self.store_place()];
        let ours = ours.into_iter().chain(rendered.iter().map(|name| self.rendered().join(name)));
        for path in ours.map(|path| unfinished(&path)) {
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "what was left half written is removed"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(path = %path.display(), %error, "what was left half written stays there"),
            }
        }
    }
}

/// Writes a file for its owner only, so that it is there whole and lasts, or is as it was.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let temporary = unfinished(path);
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// `config.json.new` for `config.json`.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or(OsStr::new("")).to_owned();
    name.push(TEMPORARY);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_secret_file_is_for_its_owner_only_and_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(folder.path()).unwrap();
        assert_eq!(home.replace_master_key(&Secret::new("none")).unwrap(), None, "where there is one");
        home.keep_master_key(&Secret::new("one")).unwrap();
        home.replace_master_key(&Secret::new("two")).unwrap();
        let path = home.master_key();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_was_left_half_written_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(folder.path()).unwrap();
        let at = |name: &str| folder.path().join(name);
        let ours = ["config.json.new", "master.key.new", "admin.password.new", "store.new", "rendered/a.conf.new"];
        let others = ["snapshot.new", "mine.new", "rendered/mine.new", "rendered/a.conf"];
        ours.iter().chain(&others).for_each(|name| fs::write(at(name), "half").unwrap());
        home.clear_unfinished(&["a.conf"]);
        assert_eq!(ours.iter().filter(|name| at(name).exists()).count(), 0);
        assert_eq!(others.iter().filter(|name| at(name).exists()).count(), others.len());
    }
}
