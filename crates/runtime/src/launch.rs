use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::Listener;

/// What it takes to start an engine.
#[derive(Clone, PartialEq, Eq)]
pub struct Launch {
    /// `<deployment id>/<number>`; for logs and messages.
    pub replica_id: String,
    /// The program and its arguments, without placeholders; see [`process::substitute`](crate::process::substitute).
    pub argv: Vec<String>,
    /// Environment on top of what every engine inherits; references are resolved already, so values may be secrets.
    pub env: BTreeMap<String, String>,
    /// TCP port on loopback on which it will listen.
    pub port: Option<u16>,
    /// Unix socket on which it will listen; goes before `port`.
    pub socket: Option<PathBuf>,
    /// Where it writes; made with its folder, 0600.
    pub log_file: PathBuf,
    /// The folder it runs in.
    pub working_dir: PathBuf,
}

// === impl Launch ===

impl Launch {
    /// Where it will listen.
    pub fn listener(&self) -> Option<Listener> {
        let socket = self.socket.clone().map(Listener::Socket);
        socket.or_else(|| self.port.map(Listener::Port))
    }
}

impl fmt::Debug for Launch {
    /// Without the values of the environment and the arguments, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replica_id, argv, env, port, socket, log_file, working_dir } = self;
        f.debug_struct("Launch")
            .field("replica_id", replica_id)
            .field("program", &argv.first())
            .field("env", &env.keys())
            .field("port", port)
            .field("socket", socket)
            .field("log_file", log_file)
            .field("working_dir", working_dir)
            .finish()
    }
}
