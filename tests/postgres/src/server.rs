use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::binaries::Binaries;
use crate::patience::until;
use crate::template::Template;
use crate::{DATABASE, PASSWORD};

/// Quick rather than safe from a power cut: what is killed here is the server, never the machine.
const SETTINGS: [&str; 6] = [
    "fsync=off",
    "shared_buffers=16MB",
    "max_connections=60",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
];

/// A server with the database [`DATABASE`], owned by a user of that name who is no superuser.
#[derive(Debug)]
pub struct Postgres {
    pub(crate) binaries: Binaries,
    pub(crate) folder: TempDir,
    pub(crate) port: u16,
    pub(crate) settings: Vec<String>,
    pub(crate) process: Option<Child>,
}

// === impl Postgres ===

impl Postgres {
    /// Running, with an empty database.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with settings such as `ssl=on`.
    pub fn start_with(settings: &[&str]) -> Self {
        let binaries = Binaries::find();
        let folder = TempDir::with_prefix("enginehouse-pg-").unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        Template::of(&binaries).copy(&folder.path().join("data"));
        binaries.make_folder(&folder.path().join("socket"));
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let settings = SETTINGS.iter().chain(settings).map(|&setting| setting.to_owned()).collect();
        let mut server = Self { binaries, folder, port, settings, process: None };
        server.restart();
        server.psql("postgres", &format!("CREATE USER {DATABASE} PASSWORD '{PASSWORD}'"));
        server.psql("postgres", &format!("CREATE DATABASE {DATABASE} OWNER {DATABASE}"));
        server
    }

    /// The database, through a socket of this machine.
    pub fn url(&self) -> String {
        format!("postgres://{DATABASE}@localhost:{}/{DATABASE}?host={}", self.port, self.socket().display())
    }

    /// The database over TCP, with the password.
    pub fn tcp_url(&self) -> String {
        format!("postgres://{DATABASE}:{PASSWORD}@127.0.0.1:{}/{DATABASE}", self.port)
    }

    /// Where a data folder keeps its files: certificates, for instance, can be put there before [`restart`](Self::restart).
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Adds a setting for the next [`restart`](Self::restart).
    pub fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// Runs SQL as superuser in the database; what came back, unaligned.
    pub fn sql(&self, sql: &str) -> String {
        self.psql(DATABASE, sql)
    }

    /// Keeps the database in a folder of its own below `disk` from now on. Nobody may be connected to it.
    pub fn move_to(&self, disk: &Path) {
        let folder = disk.join("tables");
        self.binaries.make_folder(&folder);
        self.psql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", folder.display()));
        self.psql("postgres", &format!("ALTER DATABASE {DATABASE} SET TABLESPACE small"));
    }

    /// All transactions that begin from now on can only read, as on a server that is no longer the first one; or not.
    pub fn set_read_only(&self, read_only: bool) {
        self.sql(&format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}"));
        self.sql("SELECT pg_reload_conf()");
        let expected = if read_only { "on" } else { "off" };
        until("the setting", || (self.sql("SHOW default_transaction_read_only") == expected).then_some(()));
    }

    /// SIGKILL; waits until the server is gone, with all that belonged to it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
            until("the connections' processes to end", || self.pids().is_empty().then_some(()));
        }
    }

    /// Stops as `systemctl stop` does: connections are broken off, and told so.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal(process.id(), Signal::INT);
            let _ = process.wait();
        }
    }

    /// The server and all its connections do not get to work any more, but stay open: as a machine that hangs.
    pub fn freeze(&self) {
        self.pids().into_iter().for_each(|pid| signal(pid, Signal::STOP));
    }

    /// Ends [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.pids().into_iter().for_each(|pid| signal(pid, Signal::CONT));
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop), and waits until it takes connections.
    pub fn restart(&mut self) {
        self.stop();
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = self.binaries.command("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.socket());
        command.args(["-c", "listen_addresses=127.0.0.1", "-p", &self.port.to_string()]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().unwrap());
        until("PostgreSQL to start", || {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "PostgreSQL did not start ({ended:?}):\n{}", self.log());
            let status = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            let pid = self.process.as_ref().unwrap().id().to_string();
            let is_up = matches!(status.lines().nth(7)?.trim(), "ready" | "standby");
            (status.lines().next() == Some(&pid) && is_up).then_some(())
        });
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn psql(&self, database: &str, sql: &str) -> String {
        let (port, socket) = (self.port.to_string(), self.socket());
        let place = ["-h", socket.to_str().unwrap(), "-p", &port, "-U", "postgres", "-d", database];
        let how = ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql];
        self.binaries.run("psql", &[&place[..], &how].concat()).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The processes that work in the data folder.
    fn pids(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == self.data())).collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.thaw();
        self.kill();
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
