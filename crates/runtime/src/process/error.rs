use std::io;
use std::path::PathBuf;

use crate::Listener;

/// An engine could not be started. The text names the program and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The command has no words.
    #[error("the command is empty; give the program and its arguments")]
    EmptyCommand,
    /// There is no such program.
    #[error("cannot start `{program}`: it was not found in PATH; install it, or give its whole path in `command`")]
    NotInPath {
        /// The first word of the command.
        program: String,
    },
    /// The path leads to nothing, or to a script whose interpreter is missing.
    #[error("cannot start `{program}`: there is no such file, or the interpreter in its first line is missing")]
    NoSuchFile {
        /// The first word of the command.
        program: String,
    },
    /// The file is no program, or not for us.
    #[error("cannot start `{program}`: permission denied; make it executable (`chmod +x`) for the user of Enginehouse")]
    NotExecutable {
        /// The first word of the command.
        program: String,
    },
    /// The system refused otherwise.
    #[error("cannot start `{program}`: {source}")]
    Refused {
        /// The first word of the command.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The folder to run in is not there.
    #[error("cannot run in the folder {}: it is not there, or is no folder", path.display())]
    WorkingDir {
        /// The folder.
        path: PathBuf,
    },
    /// The log cannot be written.
    #[error("cannot write the log {}: {source}", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The place of the socket cannot be prepared.
    #[error("cannot listen on {listener}: {reason}")]
    Socket {
        /// Where it should have listened.
        listener: Listener,
        /// Why it cannot.
        reason: String,
    },
    /// It started, but `/proc` does not show it, so it could not be found again; it was ended at once.
    #[error("cannot watch process {pid}: {source}; is /proc mounted?")]
    Unwatchable {
        /// Its pid.
        pid: u32,
        /// Why.
        source: io::Error,
    },
}

/// An engine could not be stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The system does not let us signal it.
    #[error("cannot signal the process group {pid}: {source}")]
    Signal {
        /// The group.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// It does not go away, even by force: it hangs in the kernel (a driver, a network disk).
    #[error("processes {pids:?} of the process group {pid} do not end, even by SIGKILL: they hang in the kernel")]
    Stuck {
        /// The group.
        pid: u32,
        /// What is left of it.
        pids: Vec<u32>,
    },
}
