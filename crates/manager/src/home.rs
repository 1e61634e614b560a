use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use ambient::Rng;

mod doors;
mod lock;
mod place;
mod secret;

pub use lock::{Holder, HomeLock};
pub(crate) use secret::unfinished;

use lock::LockError;

use crate::reconciler::Record;

/// Random bytes of what tells the containers of a home from those of others.
const INSTANCE_BYTES: usize = 8;

/// `$ENGINEHOUSE_HOME`: the folder with all state, and where in it everything lies.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

/// The home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A folder or file of it cannot be made or read.
    #[error("cannot use {}: {cause}; check owner and mode, or choose another home", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said; told in the text, so it is no `source`.
        cause: io::Error,
    },
    /// Others have access to it, and its mode is not ours to change.
    #[error("others have access to {}, and it is not ours alone; `chmod go-rwx` it, or choose another home", path.display())]
    Open {
        /// The folder or file.
        path: PathBuf,
    },
    /// Another manager runs on it.
    #[error("another manager ({holder}, pid {pid}) uses this home ({}); stop it, or choose another home", home.display())]
    InUse {
        /// The home.
        home: PathBuf,
        /// What it is: a command is gone in a moment, a service stays.
        holder: Holder,
        /// Its process id, as it wrote it down; `unknown` if it did not.
        pid: String,
    },
    /// Its store is in a database that nobody named.
    #[error(
        "the store of this home ({}) is in PostgreSQL: set ENGINEHOUSE_DATABASE_URL (or ENGINEHOUSE_DATABASE_URL_FILE) as \
         its service has it. If it is to be moved into the home, run `enginehouse backup create` with that variable, then \
         `enginehouse restore FILE --force` without",
        home.display()
    )]
    StoreElsewhere {
        /// The home.
        home: PathBuf,
    },
}

// === impl Home ===

impl Home {
    /// Takes `path` as home and makes it and its folders where they are missing, for the owner only. What others could
    /// write of it, or read of its secrets, is shut if it belongs to us, and refused if not.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let home = Self(path.into());
        for folder in [home.0.clone(), home.spool(), home.logs(), home.run(), home.work(), home.rendered()] {
            make_private(&folder).map_err(|cause| HomeError::Io { path: folder.clone(), cause })?;
            doors::shut_folder(&folder)?;
        }
        doors::shut_files(&home.0)?;
        Ok(home)
    }

    /// One that is there already, without a look at it.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Projection of the applied state.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.json")
    }

    /// Files for other programs, made from what applies.
    pub fn rendered(&self) -> PathBuf {
        self.0.join("rendered")
    }

    /// Where gateways write their books, each in a folder of its own.
    pub fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// Where the gateway writes its books.
    pub fn gateway_spool(&self) -> PathBuf {
        self.spool().join("gateway")
    }

    /// What engines print.
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// Sockets on which engines listen, and records of those that run.
    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// Chat templates that engines read as they start.
    pub fn templates(&self) -> PathBuf {
        self.0.join("templates")
    }

    /// Where engines run, and what they leave lying: a folder without anything of ours.
    pub fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Where a master key lies that was made and could not be shown.
    pub fn master_key(&self) -> PathBuf {
        self.0.join("master.key")
    }

    /// Where the password of the first account lies that was made and could not be shown.
    pub fn admin_password(&self) -> PathBuf {
        self.0.join("admin.password")
    }

    /// What an earlier manager recorded of engines.
    pub(crate) fn records(&self) -> Result<Vec<Record>, HomeError> {
        Record::read_all(self).map_err(|cause| HomeError::Io { path: self.run(), cause })
    }

    /// Socket of the admin API for the owner.
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Socket on which gateways in other processes follow the manager.
    pub fn gateway_socket(&self) -> PathBuf {
        self.0.join("gateway.sock")
    }

    /// What a gateway that runs apart served last, sealed.
    pub fn snapshot(&self) -> PathBuf {
        self.0.join("snapshot")
    }

    /// What seals secrets, unless that comes from outside.
    pub fn secret_key(&self) -> PathBuf {
        self.0.join("secret.key")
    }

    /// What tells the containers of this home from those of others: made once, and kept. Where it was lost, it is `known` from
    /// elsewhere, or a new one. Call it with the lock held.
    pub(crate) fn instance(&self, known: Option<String>, rng: &Rng) -> Result<String, HomeError> {
        let path = self.0.join("instance");
        match self.kept_instance() {
            Ok(Some(kept)) => return Ok(kept),
            Err(cause) => return Err(HomeError::Io { path, cause }),
            Ok(None) => {}
        }
        let made = known.unwrap_or_else(|| hex::encode(rng.bytes::<INSTANCE_BYTES>()));
        secret::write(&path, &made).map_err(|cause| HomeError::Io { path: path.clone(), cause })?;
        Ok(made)
    }

    /// What tells its containers from those of others, if it has any.
    pub(crate) fn kept_instance(&self) -> io::Result<Option<String>> {
        match std::fs::read_to_string(self.0.join("instance")) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a text can be what [`instance`](Self::instance) gives.
    pub(crate) fn is_instance(text: &str) -> bool {
        text.len() == 2 * INSTANCE_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit())
    }

    /// Keeps other managers away until the lock is dropped.
    pub fn lock(&self, holder: Holder) -> Result<HomeLock, HomeError> {
        let path = self.0.join("lock");
        HomeLock::take(&path, holder).map_err(|error| match error {
            LockError::Io(cause) => HomeError::Io { path, cause },
            LockError::Held { holder, pid } => HomeError::InUse { home: self.0.clone(), holder, pid },
        })
    }

    /// There while a restore fills the database of this home; see [`crate::backup`].
    pub(crate) fn restoring(&self) -> PathBuf {
        self.0.join("restoring")
    }

    /// Binds [`control_socket`](Self::control_socket) for the owner only. Call it with the lock held: a socket
    /// that a dead manager left behind is replaced.
    pub fn bind_control(&self) -> Result<UnixListener, HomeError> {
        let path = self.control_socket();
        bind_private(&path).map_err(|cause| HomeError::Io { path, cause })
    }

    /// Binds [`gateway_socket`](Self::gateway_socket), in the same way.
    pub fn bind_gateway(&self) -> Result<UnixListener, HomeError> {
        let path = self.gateway_socket();
        bind_private(&path).map_err(|cause| HomeError::Io { path, cause })
    }
}

// === impl HomeError ===

impl From<doors::Open> for HomeError {
    fn from(open: doors::Open) -> Self {
        match open {
            doors::Open::Foreign(path) => Self::Open { path },
            doors::Open::Io(path, cause) => Self::Io { path, cause },
        }
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn bind_private(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_home_is_made_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(folder.path().join("deep/home")).unwrap();
        let socket = home.bind_control().unwrap();
        drop(socket);
        let socket = home.bind_control().expect("a socket left behind is replaced");
        for (path, mode) in [(home.path().to_owned(), 0o700), (home.spool(), 0o700), (home.control_socket(), 0o600)] {
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, mode, "{}", path.display());
        }
        drop(socket);
    }

    #[test]
    fn a_home_is_used_by_one_manager_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(folder.path()).unwrap();
        let lock = home.lock(Holder::Serve).unwrap();
        let message = home.lock(Holder::Command).unwrap_err().to_string();
        assert!(message.contains(&format!("another manager (serve, pid {})", std::process::id())), "{message}");
        drop(lock);
        home.lock(Holder::Command).unwrap();
    }

    #[test]
    fn a_home_that_others_could_write_is_shut() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        let set = |path: &Path, mode: u32| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let home = Home::create(folder.path()).unwrap();
        let database = folder.path().join("ledger.db");
        std::fs::write(&database, "").unwrap();
        for (path, open, shut) in [
            (folder.path(), 0o777, 0o700),
            (folder.path(), 0o770, 0o700),
            (folder.path(), 0o755, 0o755),
            (&home.run(), 0o777, 0o700),
            (&database, 0o644, 0o600),
        ] {
            set(path, open);
            Home::create(folder.path()).unwrap();
            assert_eq!(mode(path), shut, "{} was {open:o}", path.display());
        }
        set(folder.path(), 0o1777);
        let refused = Home::create(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("others have access"), "{refused}");
        assert_eq!(mode(folder.path()), 0o1777, "a folder for everybody stays one");
    }

    #[test]
    fn what_the_system_said_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let error = Home::create(folder.path().join("file/home")).unwrap_err();
        assert!(error.to_string().contains("Not a directory"), "{error}");
        assert!(std::error::Error::source(&error).is_none(), "else a chain of causes repeats it");
    }
}
