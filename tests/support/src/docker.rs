//! Docker daemons of their own for tests.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{self, Guarded};
use crate::{Finished, Mount, Program, eventually};

mod proxy;
mod tools;

pub use proxy::{Hold, Proxy};
pub use tools::TOOLS;

/// The image that a [`Daemon`] can run: this binary as `vllm serve`.
pub const IMAGE: &str = "enginehouse-test/vllm:1";

/// What it starts.
const ENTRYPOINT: [&str; 3] = ["/enginehouse", "engine-sim", "--vllm"];

/// How long a daemon may take to stop its containers.
const GRACE: Duration = Duration::from_secs(20);

/// What a daemon says of a machine that does not let it do its work.
const FORBIDDEN: [&str; 2] = ["operation not permitted", "permission denied"];

/// A Docker daemon of its own, with its own disk, networks and socket; gone with all it runs when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    folder: TempDir,
    process: Guarded,
    /// What keeps containers alive while the daemon is dead; a service of its own on real machines too.
    containerd: Guarded,
    /// The small disk that it has for itself, if any.
    disk: Option<Mount>,
}

// === impl Daemon ===

impl Daemon {
    /// Starts one that holds [`IMAGE`]. None where this process may not, or Docker is not installed: says so.
    pub async fn start(program: &Program) -> Option<Self> {
        Self::start_in(TempDir::with_prefix("eh-docker-").unwrap(), None, program).await
    }

    /// The same with a disk of so many bytes for its images and containers.
    pub async fn start_on_disk(program: &Program, bytes: u64) -> Option<Self> {
        let folder = TempDir::with_prefix("eh-docker-").unwrap();
        let disk = Mount::in_memory(&folder.path().join("data"), bytes)?;
        Self::start_in(folder, Some(disk), program).await
    }

    async fn start_in(folder: TempDir, disk: Option<Mount>, program: &Program) -> Option<Self> {
        if let Some(why) = obstacle() {
            skipped(&why);
            return None;
        }
        let containerd = launch_containerd(folder.path());
        let process = launch(folder.path());
        let daemon = Self { folder, process, containerd, disk };
        if let Err(forbidden) = daemon.ready().await {
            skipped(&format!("no Docker daemon can run here: {forbidden}"));
            return None;
        }
        daemon.import(program);
        Some(daemon)
    }

    /// Takes all room of its own disk, until the file that this gives is removed.
    pub fn fill_disk(&self) -> PathBuf {
        self.disk.as_ref().unwrap().fill()
    }

    /// Files of downloads that go on, or that one has left.
    pub fn downloads(&self) -> Vec<PathBuf> {
        let found = fs::read_dir(self.folder.path().join("data/tmp")).into_iter().flatten().flatten();
        found.map(|entry| entry.path()).collect()
    }

    /// The file system of [`IMAGE`], as a tar, and what it starts: for a [`Registry`](crate::Registry).
    pub fn exported(&self) -> (Bytes, [&'static str; 3]) {
        let container = self.docker(&["create", "--network=none", IMAGE]).ok().trim().to_owned();
        let mut export = Command::new("docker");
        let exported = export.args(["--host", &self.host(), "export", &container]).output().unwrap();
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        self.docker(&["rm", &container]).ok();
        (exported.stdout.into(), ENTRYPOINT)
    }

    /// Whether the daemon's own log holds this text.
    pub fn has_logged(&self, text: &str) -> bool {
        fs::read(self.folder.path().join("log")).is_ok_and(|log| String::from_utf8_lossy(&log).contains(text))
    }

    /// What `DOCKER_HOST` says.
    pub fn host(&self) -> String {
        host(self.folder.path())
    }

    /// Runs a command of Docker's own client.
    pub fn docker(&self, arguments: &[&str]) -> Finished {
        Finished::of(Command::new("docker").arg("--host").arg(self.host()).args(arguments), None)
    }

    /// Ids of all containers that pass a filter (`label=model-name=m`), running or not.
    pub fn containers(&self, filter: &str) -> Vec<String> {
        let listed = self.docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", filter]);
        let mut ids: Vec<_> = listed.ok().lines().map(str::to_owned).collect();
        ids.sort();
        ids
    }

    /// All that Docker knows of a container.
    pub fn inspect(&self, container: &str) -> Value {
        self.docker(&["inspect", container]).json()[0].take()
    }

    /// SIGKILL to the daemon alone: what it runs goes on.
    pub fn kill(&mut self) {
        self.process.kill();
        let _ = fs::remove_file(self.folder.path().join("pid"));
    }

    /// Starts it again after [`kill`](Self::kill).
    pub async fn restart(&mut self) {
        self.process = launch(self.folder.path());
        self.ready().await.unwrap();
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    /// Waits until it answers; what the machine forbids it, if that ended it.
    async fn ready(&self) -> Result<(), String> {
        eventually("the Docker daemon to answer", || {
            let answers = Command::new("docker")
                .args(["--host", &self.host(), "version"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            let seen = match (answers.success(), self.runs()) {
                (true, _) => Some(Ok(())),
                (false, true) => None,
                (false, false) => Some(Err(self.why_it_ended())),
            };
            std::future::ready(seen)
        })
        .await
    }

    /// A line of its log that says what it is not allowed; any other end is a failure.
    fn why_it_ended(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let forbids = |line: &&str| FORBIDDEN.iter().any(|word| line.to_lowercase().contains(word));
        let line = log.lines().rev().find(forbids);
        line.unwrap_or_else(|| panic!("the Docker daemon has ended: {log}")).to_owned()
    }

    fn runs(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.pid())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    /// An image from nothing: the binary and the libraries that it needs.
    fn import(&self, program: &Program) {
        let root = self.folder.path().join("root");
        fs::create_dir_all(root.join("tmp")).unwrap();
        let binary = root.join("enginehouse");
        fs::copy(program.path(), &binary).unwrap();
        // Symbols are most of it. Without the tool it is only larger.
        let _ = Command::new("strip").arg(&binary).status();
        for library in libraries(program.path()) {
            let target = root.join(library.strip_prefix("/").unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(&library, target).unwrap();
        }
        let archive = self.folder.path().join("root.tar");
        let tar = Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".").status().unwrap();
        assert!(tar.success());
        let entrypoint = format!("ENTRYPOINT {ENTRYPOINT:?}");
        self.docker(&["import", "--change", &entrypoint, archive.to_str().unwrap(), IMAGE]).ok();
        fs::remove_file(archive).unwrap();
        fs::remove_dir_all(root).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let all = self.docker(&["ps", "--all", "--quiet"]).stdout;
        let all: Vec<_> = all.lines().collect();
        if !all.is_empty() {
            let _ = self.docker(&[["rm", "--force"].as_slice(), &all].concat());
        }
        self.process.interrupt(GRACE);
        self.containerd.kill();
        process::kill_all_of(self.folder.path());
        unmount_below(self.folder.path());
    }
}

/// The daemon leaves its disk, and networks of containers, mounted.
fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let below = mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|at| Path::new(at).starts_with(folder));
    for at in below.collect::<Vec<_>>().into_iter().rev() {
        let _ = Command::new("umount").args(["--lazy", at]).status();
    }
}

fn launch_containerd(folder: &Path) -> Guarded {
    let at = |name: &str| folder.join(name).display().to_string();
    let [root, state, socket] = ["croot", "cstate", "c.sock"].map(at);
    let plugins = r#"disabled_plugins = ["io.containerd.grpc.v1.cri"]"#;
    let settings =
        format!("version = 2\nroot = {root:?}\nstate = {state:?}\n{plugins}\n[grpc]\naddress = {socket:?}\n");
    fs::write(folder.join("containerd.toml"), settings).unwrap();
    spawn(Command::new("containerd").args(["--config", &at("containerd.toml")]), folder)
}

/// Its address pool is its own: daemons that run at once never meet on a network.
fn launch(folder: &Path) -> Guarded {
    let pid = std::process::id();
    let pool = format!("base=10.{}.{}.0/24,size=26", 128 + (pid >> 8) % 100, pid % 256);
    let at = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new("dockerd");
    command
        .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
        .args(["--host", &host(folder), "--containerd", &at("c.sock"), "--default-address-pool", &pool])
        // No rules of the machine's firewall: containers are reached from here only.
        .args(["--bridge=none", "--iptables=false", "--live-restore"]);
    spawn(&mut command, folder)
}

fn spawn(command: &mut Command, folder: &Path) -> Guarded {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Guarded(command.spawn().unwrap())
}

fn host(folder: &Path) -> String {
    format!("unix://{}", folder.join("sock").display())
}

fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// Why none can be started here.
fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can run a Docker daemon".to_owned());
    }
    let is_here = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).exists())
    };
    let missing = ["dockerd", "docker", "containerd"].into_iter().find(|program| !is_here(program));
    missing.map(|program| format!("`{program}` is not installed (Debian: docker.io, docker-cli)"))
}

#[expect(clippy::print_stderr, reason = "a test that was skipped says so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
