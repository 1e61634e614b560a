use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian and its kin keep every version that is installed.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of PostgreSQL, and who runs them.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    folder: PathBuf,
    /// `postgres`, where the test is root's.
    user: Option<(u32, u32)>,
}

// === impl Binaries ===

impl Binaries {
    pub(crate) fn find() -> Self {
        let folder = newest_of_debian().or_else(in_path).unwrap_or_else(|| {
            panic!("PostgreSQL is not installed, and this test runs it: `apt-get install postgresql`, or put `postgres` and `initdb` into PATH")
        });
        let user = rustix::process::geteuid().is_root().then(postgres_user);
        Self { folder, user }
    }

    /// What tells templates of different servers and users apart.
    pub(crate) fn key(&self) -> String {
        let folder = self.folder.to_string_lossy().replace('/', "-");
        format!("{}{folder}", self.user.map_or_else(|| rustix::process::geteuid().as_raw(), |(uid, _)| uid))
    }

    /// A program that ends with the thread that started it, as the user who may run it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        if let Some((uid, gid)) = self.user {
            command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(self.folder.join(program));
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/");
        command
    }

    /// Makes a folder that belongs to whom the server runs as.
    pub(crate) fn make_folder(&self, path: &Path) {
        fs::create_dir(path).unwrap();
        if let Some((uid, gid)) = self.user {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    /// Runs a program to its end; what it printed.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let ended = self.command(program).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if ended.status.success() { Ok(text(&ended.stdout)) } else { Err(text(&ended.stderr)) }
    }
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut found: Vec<_> =
        versions.filter_map(|entry| Some((number(&entry.path())?, entry.path().join("bin")))).collect();
    found.retain(|(_, folder)| folder.join("postgres").exists() && folder.join("initdb").exists());
    found.into_iter().max().map(|(_, folder)| folder)
}

fn in_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
}

/// The user that PostgreSQL's packages make; else nobody, who can run it as well.
fn postgres_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = ["postgres:", "nobody:"].iter().find_map(|name| users.lines().find(|line| line.starts_with(name)));
    let fields: Vec<u32> = line.unwrap().split(':').skip(2).take(2).map(|field| field.parse().unwrap()).collect();
    assert_ne!(fs::metadata("/").unwrap().uid(), fields[0]);
    (fields[0], fields[1])
}
