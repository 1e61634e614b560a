use std::fs::{self, File};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use nvml_sim::Scene;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::Http;
use crate::process::{self, Guarded, Signal};
use crate::{Finished, Program, eventually, fresh_address};

/// The master key of servers under test.
pub const MASTER_KEY: &str = "sk-master-of-the-tests-0123456789abcdef";

/// Lines of the server's log that a failed test shows.
const LOG_TAIL: usize = 40;

/// How the planes of a server run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Planes {
    /// In one process.
    #[default]
    Together,
    /// In two: `serve --role manager` and `serve --role gateway`.
    Apart,
}

/// How a server is to be started.
#[derive(Debug)]
pub struct ServerOptions {
    planes: Planes,
    program: Program,
    folder: Arc<TempDir>,
    ip: IpAddr,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    master_key: Option<String>,
}

/// `enginehouse serve` on a home and addresses of its own. When it is dropped, it and all its engines are gone.
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    /// The manager, or both planes.
    process: Guarded,
    /// The gateway, where the planes run apart.
    gateway: Option<Guarded>,
}

// === impl ServerOptions ===

impl ServerOptions {
    /// A fresh home and [`MASTER_KEY`].
    pub fn new(program: &Program) -> Self {
        Self {
            planes: Planes::Together,
            program: program.clone(),
            folder: Arc::new(TempDir::with_prefix("enginehouse-test-").unwrap()),
            ip: fresh_address(),
            arguments: Vec::new(),
            environment: Vec::new(),
            master_key: Some(MASTER_KEY.to_owned()),
        }
    }

    /// Planes in one process or in two.
    #[must_use]
    pub fn planes(mut self, planes: Planes) -> Self {
        self.planes = planes;
        self
    }

    /// At another address of this machine than one of its own.
    #[must_use]
    pub fn at(mut self, ip: IpAddr) -> Self {
        self.ip = ip;
        self
    }

    /// More arguments of `serve`.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On a machine with other GPUs than this one: see [`Server::play`].
    #[must_use]
    pub fn gpus(self, scene: &Scene) -> Self {
        let installed = nvml_sim::install(self.folder.path(), scene);
        let library = installed.library().display().to_string();
        self.environment("ENGINEHOUSE_NVML", &library).environment("ENGINEHOUSE_NVIDIA_SMI", "")
    }

    /// No master key in the environment: the server makes one.
    #[must_use]
    pub fn without_master_key(mut self) -> Self {
        self.master_key = None;
        self
    }

    /// The home, not yet made.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Starts it and waits until both planes answer.
    pub async fn start(self) -> Server {
        let mut server = self.spawn();
        server.wait_ready().await;
        server
    }

    /// Starts it and waits for nothing.
    pub fn spawn(self) -> Server {
        let (process, gateway) = (launch_manager(&self), launch_gateway(&self));
        Server { options: self, process, gateway }
    }

    fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, port)
    }
}

// === impl Server ===

impl Server {
    /// With a fresh home and [`MASTER_KEY`], both planes answering.
    pub async fn start(program: &Program) -> Self {
        ServerOptions::new(program).start().await
    }

    /// The client port, with the master key.
    pub fn client(&self) -> Http {
        self.keyed(Http::to(self.client_address()))
    }

    /// The client port, with another key.
    pub fn client_with(&self, key: &str) -> Http {
        Http::to(self.client_address()).with_key(key)
    }

    /// The admin port, with the master key.
    pub fn admin(&self) -> Http {
        self.keyed(Http::to(self.admin_address()))
    }

    /// Where clients connect.
    pub fn client_address(&self) -> SocketAddr {
        self.options.address(4000)
    }

    /// Where the admin API listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.options.address(7860)
    }

    /// Changes the GPUs that [`ServerOptions::gpus`] gave it.
    pub fn play(&self, scene: &Scene) {
        nvml_sim::Installed::at(self.options.folder.path()).play(scene);
    }

    /// Its home.
    pub fn home(&self) -> PathBuf {
        self.options.home()
    }

    /// Folder beside the home that goes when the test ends.
    pub fn folder(&self) -> &Path {
        self.options.folder.path()
    }

    /// Its process; the manager's, where the planes run apart.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All that it has logged, in all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.options.folder.path().join("serve.log")).unwrap_or_default()
    }

    /// Processes that belong to its home: its engines.
    pub fn engine_pids(&self) -> Vec<u32> {
        let pids = process::pids_below(&self.home());
        let gateway = self.gateway.as_ref().map(Guarded::pid);
        pids.into_iter().filter(|pid| *pid != self.pid() && Some(*pid) != gateway).collect()
    }

    /// A command on its home.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.options.program.command();
        command.arg("--home").arg(self.home()).args(arguments);
        command
    }

    /// Runs a command on its home to the end. Blocks: use it in tests with more than one thread.
    pub fn cli(&self, arguments: &[&str]) -> Finished {
        Finished::of(&mut self.command(arguments), None)
    }

    /// Applies a document and waits until its models are ready.
    pub fn apply(&self, document: &Value) {
        let input = document.to_string();
        Finished::of(&mut self.command(&["apply", "-f", "-", "--wait"]), Some(&input)).ok();
    }

    /// Makes a virtual key with these flags of `key create`.
    pub fn create_key(&self, flags: &[&str]) -> String {
        let mut arguments = vec!["key", "create", "--quiet"];
        arguments.extend(flags);
        self.cli(&arguments).ok().trim().to_owned()
    }

    /// SIGKILL to both planes, as a crash; its engines live on.
    pub fn kill(&mut self) {
        self.process.kill();
        self.kill_gateway();
    }

    /// SIGKILL to the gateway alone, where the planes run apart.
    pub fn kill_gateway(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            gateway.kill();
        }
    }

    /// SIGKILL to the manager alone, where the planes run apart.
    pub fn kill_manager(&mut self) {
        assert!(self.gateway.is_some(), "the planes run in one process");
        self.process.kill();
    }

    /// Starts a gateway that was killed, and waits for nothing.
    pub fn start_gateway(&mut self) {
        self.gateway = launch_gateway(&self.options);
    }

    /// Starts a manager that was killed, and waits for nothing.
    pub fn start_manager(&mut self) {
        self.process = launch_manager(&self.options);
    }

    /// Sends a signal to both planes.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
        if self.gateway.is_some() {
            self.signal_gateway(signal);
        }
    }

    /// Sends a signal to the process of the gateway.
    pub fn signal_gateway(&mut self, signal: Signal) {
        self.gateway.as_mut().unwrap_or(&mut self.process).signal(signal);
    }

    /// Sends a signal to the process of the manager.
    pub fn signal_manager(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Sends a signal and waits for the end; where the planes run apart, the gateway ends first.
    pub async fn stop(&mut self, signal: Signal) -> ExitStatus {
        if let Some(gateway) = &mut self.gateway {
            gateway.signal(signal);
            let status = gateway.ended().await;
            assert!(status.success(), "the gateway ended with {status}");
        }
        self.process.signal(signal);
        self.process.ended().await
    }

    /// Waits for its end; the manager's status, where the planes run apart.
    pub async fn ended(&mut self) -> ExitStatus {
        if let Some(gateway) = &mut self.gateway {
            gateway.ended().await;
        }
        self.process.ended().await
    }

    /// Takes a variable out of the environment that later starts get.
    pub fn forget_environment(&mut self, name: &str) {
        self.options.environment.retain(|(known, _)| known != name);
    }

    /// Starts it again on the same home and addresses, and waits until both planes answer.
    pub async fn restart(&mut self) {
        self.kill();
        self.start_manager();
        self.start_gateway();
        self.wait_ready().await;
    }

    /// Waits until both planes answer, and each other; a process that ends instead fails the test with its log.
    pub async fn wait_ready(&mut self) {
        let (client, admin) = (Http::to(self.client_address()), self.admin());
        let log = self.options.folder.path().join("serve.log");
        let (process, gateway) = (&mut self.process, &mut self.gateway);
        eventually("the server to be ready", || {
            let ended = process.status().or_else(|| gateway.as_mut()?.status());
            if let Some(status) = ended {
                panic!("the server ended with {status}:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            let (client, admin) = (client.clone(), admin.clone());
            async move {
                let ready = client.try_send(Method::GET, "/health/readiness", Bytes::new()).await.ok()?;
                // Without a known master key, 401 shows that the admin API is there.
                let status = admin.try_send(Method::GET, "/api/v1/status", Bytes::new()).await.ok()?;
                let is_linked = !ready.text().contains("manager:");
                (ready.status.is_success() && is_linked && !status.status.is_server_error()).then_some(())
            }
        })
        .await;
    }

    fn keyed(&self, http: Http) -> Http {
        match &self.options.master_key {
            Some(key) => http.with_key(key),
            None => http,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for process in self.gateway.iter_mut().chain([&mut self.process]) {
            process.signal(Signal::CONT);
            process.interrupt(Duration::from_secs(5));
            process.kill();
        }
        process::kill_all_below(&self.options.home());
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.lines().count().saturating_sub(LOG_TAIL);
            let lines: Vec<&str> = log.lines().skip(tail).collect();
            let _ = writeln!(std::io::stderr(), "last lines of the server's log:\n{}", lines.join("\n"));
        }
    }
}

fn launch_manager(options: &ServerOptions) -> Guarded {
    let role = match options.planes {
        Planes::Together => "all",
        Planes::Apart => "manager",
    };
    launch(options, role)
}

fn launch_gateway(options: &ServerOptions) -> Option<Guarded> {
    (options.planes == Planes::Apart).then(|| launch(options, "gateway"))
}

fn launch(options: &ServerOptions, role: &str) -> Guarded {
    let log = File::options().create(true).append(true).open(options.folder.path().join("serve.log")).unwrap();
    let mut command = options.program.command();
    command.args(["serve", "--role", role, "--home"]).arg(options.home());
    command.args(["--listen", &options.address(4000).to_string()]);
    command.args(["--admin-listen", &options.address(7860).to_string()]);
    command.args(&options.arguments).envs(options.environment.iter().cloned());
    if let Some(key) = &options.master_key {
        command.env("ENGINEHOUSE_MASTER_KEY", key);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Guarded(command.spawn().unwrap())
}
