//! Docker daemons of their own for tests.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{self, Guarded};
use crate::{Finished, Program, eventually};

/// The image that a [`Daemon`] can run: this binary as `vllm serve`.
pub const IMAGE: &str = "enginehouse-test/vllm:1";

/// How long a daemon may take to stop its containers.
const GRACE: Duration = Duration::from_secs(20);

/// A Docker daemon of its own, with its own disk, networks and socket; gone with all it runs when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    folder: TempDir,
    process: Guarded,
    /// What keeps containers alive while the daemon is dead; a service of its own on real machines too.
    containerd: Guarded,
}

// === impl Daemon ===

impl Daemon {
    /// Starts one that holds [`IMAGE`]. None where this process may not: only root can, and says so otherwise.
    pub async fn start(program: &Program) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skipped("only root can run a Docker daemon");
            return None;
        }
        let folder = TempDir::with_prefix("eh-docker-").unwrap();
        let containerd = launch_containerd(folder.path());
        let process = launch(folder.path());
        let daemon = Self { folder, process, containerd };
        daemon.ready().await;
        daemon.import(program);
        Some(daemon)
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
        self.ready().await;
    }

    async fn ready(&self) {
        eventually("the Docker daemon to answer", || {
            let answers = Command::new("docker")
                .args(["--host", &self.host(), "version"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(self.runs(), "the Docker daemon has ended: {}", log());
            std::future::ready(answers.success().then_some(()))
        })
        .await;
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
        let entrypoint = r#"ENTRYPOINT ["/enginehouse", "engine-sim", "--vllm"]"#;
        self.docker(&["import", "--change", entrypoint, archive.to_str().unwrap(), IMAGE]).ok();
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
    let pool = format!("base=10.{}.{}.0/24,size=28", 128 + (pid >> 8) % 100, pid % 256);
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
    Guarded(command.spawn().expect("dockerd and containerd must be installed (Debian: docker.io)"))
}

fn host(folder: &Path) -> String {
    format!("unix://{}", folder.join("sock").display())
}

fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

#[expect(clippy::print_stderr, reason = "a test that was skipped says so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
