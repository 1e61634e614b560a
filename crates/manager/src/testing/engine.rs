//! The simplest engine there can be: this test program itself, told to answer health checks.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// What an engine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It becomes healthy.
    Healthy,
    /// It listens, but is never healthy.
    Unhealthy,
    /// It ends at once.
    Crashing,
}

// === impl Behaviour ===

impl Behaviour {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Crashing => "crashing",
        }
    }
}

/// A document with one model `m` on one engine, and `more` fields of the engine.
pub(crate) fn document(behaviour: Behaviour, more: &str) -> String {
    let program = std::env::current_exe().unwrap();
    // libtest takes what stands behind the name for more names; no test has such a one.
    format!(
        "version: 1
models:
  - name: m
    type: chat
    deployments:
      - engine:
          source: /m
          runtime: process
          command: [{program:?}, testing::engine::act_as_engine, --exact, --ignored, --nocapture, 'port={{port}}', 'be={}']
          start_timeout: 60
          {more}
",
        behaviour.as_str()
    )
}

#[test]
#[ignore = "is no test: other tests start it as their engine"]
fn act_as_engine() {
    let argument = |name: &str| {
        let mut arguments = std::env::args();
        arguments.find_map(|argument| Some(argument.strip_prefix(name)?.strip_prefix('=')?.to_owned())).unwrap()
    };
    let behaviour = argument("be");
    if behaviour == "crashing" {
        eprintln!("the engine gives up");
        std::process::exit(3);
    }
    let listener = TcpListener::bind(format!("127.0.0.1:{}", argument("port"))).unwrap();
    let status = if behaviour == "healthy" { "200 OK" } else { "503 Service Unavailable" };
    for stream in listener.incoming() {
        let (mut stream, mut buffer) = (stream.unwrap(), [0; 1024]);
        let _ = stream.read(&mut buffer);
        let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
}
