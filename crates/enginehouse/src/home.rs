//! `$ENGINEHOUSE_HOME`: the folder with all state.

use std::os::unix::fs::MetadataExt as _;
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
}

fn default_home() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from(SYSTEM_HOME));
    }
    let user_home = env::home_dir().filter(|path| path.is_absolute());
    Ok(user_home.context("no home folder known for this user: set --home")?.join(".local/share/enginehouse"))
}
