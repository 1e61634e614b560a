use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::Child;

use super::{Handle, StartError, command};
use crate::{Launch, Listener, log_file};

/// Bytes that the path of a Unix socket may have (`sun_path` without the NUL at its end).
const SOCKET_PATH_BYTES: usize = 107;

/// Starts a process in a group of its own, with its output in the log, and forgets nothing of it: the handle finds it
/// again as long as this boot lasts.
pub fn start(launch: &Launch) -> Result<Handle, StartError> {
    let program = launch.argv.first().filter(|program| !program.is_empty()).ok_or(StartError::EmptyCommand)?;
    if !launch.working_dir.is_dir() {
        return Err(StartError::WorkingDir { path: launch.working_dir.clone() });
    }
    if let Some(socket) = &launch.socket {
        make_way(socket).map_err(|reason| StartError::Socket { listener: Listener::Socket(socket.clone()), reason })?;
    }
    let no_log = |source| StartError::Log { path: launch.log_file.clone(), source };
    let log = log_file::open(&launch.log_file).map_err(no_log)?;
    let log_start = log.metadata().map_err(no_log)?.len();
    let log_path = fs::canonicalize(&launch.log_file).map_err(no_log)?;
    let mut command = command::command(launch, program, log).map_err(no_log)?;
    let mut child = command.spawn().map_err(|error| why(program, error))?;
    let pid = child.id();
    // The child is not waited for here: it stays a zombie until `stop` reaps it.
    Handle::of_child(pid, log_path, log_start).map_err(|source| {
        abandon(&mut child);
        StartError::Unwatchable { pid, source }
    })
}

/// Removes the socket of an earlier run, which would keep the engine from binding, and makes its folder.
fn make_way(socket: &Path) -> Result<(), String> {
    let bytes = socket.as_os_str().as_bytes().len();
    if bytes > SOCKET_PATH_BYTES {
        return Err(format!("the path has {bytes} bytes, more than the {SOCKET_PATH_BYTES} of a Unix socket"));
    }
    if let Some(folder) = socket.parent() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| format!("cannot make its folder: {error}"))?;
    }
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("cannot remove the old one: {error}")),
        _ => Ok(()),
    }
}

fn why(program: &str, source: io::Error) -> StartError {
    let program = program.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound if program.contains('/') => StartError::NoSuchFile { program },
        io::ErrorKind::NotFound => StartError::NotInPath { program },
        io::ErrorKind::PermissionDenied => StartError::NotExecutable { program },
        _ => StartError::Refused { program, source },
    }
}

/// Ends a child that cannot be watched. It was started a moment ago and has no children worth a group's end.
fn abandon(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_too_long_for_a_socket_is_refused() {
        let error = make_way(Path::new(&format!("/tmp/{}", "x".repeat(103)))).unwrap_err();
        assert!(error.contains("108 bytes"), "{error}");
    }
}
