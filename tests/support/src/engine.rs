use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::http::Http;
use crate::process::{Guarded, Signal};
use crate::{Program, eventually, fresh_address};

/// A simulated engine in a process of its own, on an address of its own.
#[derive(Debug)]
pub struct Engine {
    program: Program,
    arguments: Vec<String>,
    address: SocketAddr,
    process: Guarded,
}

// === impl Engine ===

impl Engine {
    /// Starts `enginehouse engine-sim` with `arguments` (`--model NAME`, `--type`, `--tokens`, `--inter-token-ms` …) and
    /// waits until it is healthy.
    pub async fn start(program: &Program, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>();
        let address = SocketAddr::new(fresh_address(), 8000);
        let process = spawn(program, &arguments, address);
        let engine = Self { program: program.clone(), arguments, address, process };
        engine.healthy().await;
        engine
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a document's `endpoint.url` takes.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Speaks to it directly.
    pub fn http(&self) -> Http {
        Http::to(self.address)
    }

    /// Every request that it saw: path, tokens sent, finished or cancelled.
    pub async fn requests(&self) -> Vec<Value> {
        let answer = self.http().get("/sim/requests").await;
        answer.expect(200).json().as_array().unwrap().clone()
    }

    /// Its counts: `running`, `total`, `cancelled`.
    pub async fn state(&self) -> Value {
        self.http().get("/sim/state").await.expect(200).json()
    }

    /// Makes the next requests fail as `fault` says, `times` of them or all.
    pub async fn fail(&self, fault: &str, times: Option<u32>) {
        self.http().post("/sim/faults", &json!({"fault": fault, "times": times})).await.expect(200);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops it as a whole machine would freeze: connections stay open, nothing answers.
    pub fn freeze(&mut self) {
        self.process.signal(Signal::STOP);
    }

    /// Goes on after [`freeze`](Self::freeze).
    pub fn thaw(&mut self) {
        self.process.signal(Signal::CONT);
    }

    /// Starts it again at the same address after [`kill`](Self::kill).
    pub async fn restart(&mut self) {
        self.process = spawn(&self.program, &self.arguments, self.address);
        self.healthy().await;
    }

    async fn healthy(&self) {
        let http = self.http();
        eventually("the simulated engine to be healthy", || async {
            let answer = http.try_send(hyper::Method::GET, "/health", bytes::Bytes::new()).await.ok()?;
            answer.status.is_success().then_some(())
        })
        .await;
    }
}

fn spawn(program: &Program, arguments: &[String], address: SocketAddr) -> Guarded {
    let mut command = program.command();
    command.arg("engine-sim").args(["--host", &address.ip().to_string(), "--port", &address.port().to_string()]);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    Guarded(command.spawn().unwrap())
}
