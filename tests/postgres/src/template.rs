use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries::Binaries;

/// A data folder that is made once on a machine and copied for every server: making one takes seconds.
#[derive(Debug)]
pub(crate) struct Template(PathBuf);

// === impl Template ===

impl Template {
    /// The one for these binaries; made if nobody has yet.
    pub(crate) fn of(binaries: &Binaries) -> Self {
        let at = std::env::temp_dir().join(format!("enginehouse-test-postgres-{}", binaries.key()));
        let lock = File::create(at.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        if !at.exists() {
            let making = at.with_extension("making");
            let _ = fs::remove_dir_all(&making);
            binaries.make_folder(&making);
            make(binaries, &making);
            fs::rename(&making, &at).unwrap();
        }
        Self(at)
    }

    /// Copies it to `to`.
    pub(crate) fn copy(&self, to: &Path) {
        let copied = Command::new("cp").args(["-a", "--reflink=auto"]).arg(&self.0).arg(to).output().unwrap();
        assert!(copied.status.success(), "{copied:?}");
    }
}

/// Who is on this machine is believed; who comes by TCP needs the password.
fn make(binaries: &Binaries, at: &Path) {
    let data = at.to_str().unwrap();
    let how = ["--no-sync", "--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"];
    let arguments = [&["-D", data, "-U", "postgres"], &how[..]].concat();
    binaries.run("initdb", &arguments).unwrap();
}
