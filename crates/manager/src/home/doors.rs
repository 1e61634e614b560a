use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// Files that hold secrets or books: for the owner only.
const PRIVATE: [&str; 12] = [
    "config.json",
    "secret.key",
    "snapshot",
    "master.key",
    "admin.password",
    "store",
    "enginehouse.db",
    "enginehouse.db-wal",
    "enginehouse.db-shm",
    "ledger.db",
    "ledger.db-wal",
    "ledger.db-shm",
];

/// Why a folder or file stays open to others.
#[derive(Debug)]
pub(super) enum Open {
    /// Its mode is not ours to change.
    Foreign(PathBuf),
    Io(PathBuf, io::Error),
}

/// Shuts a folder that others can write: who can, can put files of their own in the place of ours.
pub(super) fn shut_folder(path: &Path) -> Result<(), Open> {
    shut(path, 0o022, 0o700)
}

/// Shuts what holds secrets in a home and can be read by others.
pub(super) fn shut_files(home: &Path) -> Result<(), Open> {
    // Where a link leads is not ours to change.
    let is_file = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    let mut paths = PRIVATE.iter().map(|name| home.join(name)).filter(is_file);
    paths.try_for_each(|path| shut(&path, 0o077, 0o600))
}

/// Gives what belongs to us and has any bit of `open` the mode `shut`.
fn shut(path: &Path, open: u32, shut: u32) -> Result<(), Open> {
    /// A folder where everybody may have files, as `/tmp`: nobody's home, even if it belongs to us.
    const STICKY: u32 = 0o1000;
    let io_error = |error| Open::Io(path.to_owned(), error);
    let meta = fs::metadata(path).map_err(io_error)?;
    if meta.mode() & open == 0 {
        return Ok(());
    }
    if meta.uid() != geteuid().as_raw() || meta.mode() & STICKY != 0 {
        return Err(Open::Foreign(path.to_owned()));
    }
    fs::set_permissions(path, Permissions::from_mode(shut)).map_err(io_error)?;
    let was = format!("{:o}", meta.mode() & 0o7777);
    tracing::warn!(path = %path.display(), was, "others had access; it is for the owner only now");
    Ok(())
}
