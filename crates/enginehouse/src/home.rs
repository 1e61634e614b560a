//! `$ENGINEHOUSE_HOME`: the folder with all state.

use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::Context as _;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::cli::Globals;
use crate::secret_env;

/// Where a service run by root keeps its state.
const SYSTEM_HOME: &str = "/var/lib/enginehouse";

/// The folder with all state.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

// === impl Home ===

impl Home {
    /// From `--home`, else `ENGINEHOUSE_HOME` (or the file that `ENGINEHOUSE_HOME_FILE` names), else the
    /// default for this user. Absolute; not created.
    pub(crate) fn resolve(globals: &Globals) -> anyhow::Result<Self> {
        let chosen = match &globals.home {
            Some(path) => path.clone(),
            None => match secret_env::read("ENGINEHOUSE_HOME")? {
                Some(path) => PathBuf::from(path.expose()),
                None => default_home()?,
            },
        };
        let absolute = std::path::absolute(&chosen);
        Ok(Self(absolute.with_context(|| format!("the home `{}` has no absolute path", chosen.display()))?))
    }

    /// At a given path.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Socket on which a running server takes commands.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Whether the folder is there.
    pub(crate) fn exists(&self) -> bool {
        self.0.is_dir()
    }

    /// Root becomes the owner of the folder, so that no file in it ends up as root's. Only this thread and the
    /// threads that it starts afterwards change: call it before there are others that matter.
    pub(crate) fn act_as_owner(&self) -> anyhow::Result<()> {
        let Ok(meta) = fs::metadata(&self.0) else { return Ok(()) };
        if !rustix::process::geteuid().is_root() || meta.uid() == 0 {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
        let became = set_thread_groups(&[])
            .and_then(|()| set_thread_res_gid(gid, gid, gid))
            .and_then(|()| set_thread_res_uid(uid, uid, uid));
        tracing::debug!(uid = meta.uid(), gid = meta.gid(), "acting as the owner of the home");
        became.with_context(|| format!("cannot act as user {}, who owns {}", meta.uid(), self.0.display()))
    }

    /// Writes a file of the home that only its owner can read; never wider, not even for a moment.
    pub(crate) fn write_secret(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        let temporary = self.0.join(format!("{name}.new"));
        let _ = fs::remove_file(&temporary);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        Ok(path)
    }
}

fn default_home() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from(SYSTEM_HOME));
    }
    let user_home = env::home_dir().filter(|path| path.is_absolute());
    Ok(user_home.context("no home folder known for this user: set --home")?.join(".local/share/enginehouse"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_is_for_its_owner_only_and_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        assert!(home.exists() && !Home::at(folder.path().join("absent")).exists());
        home.write_secret("master.key", "one").unwrap();
        let path = home.write_secret("master.key", "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
