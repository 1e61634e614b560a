use std::io;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Check;

const NAME: &str = "docker";
const SOCKET: &str = "/var/run/docker.sock";
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether Docker listens. For information: this version runs engines as local processes.
pub(super) async fn check() -> Check {
    let error = match timeout(PATIENCE, UnixStream::connect(SOCKET)).await {
        Ok(Ok(_)) => return Check::ok(NAME, format!("listens on {SOCKET}")),
        Ok(Err(error)) => error,
        Err(_) => io::Error::from(io::ErrorKind::TimedOut),
    };
    judge(&error)
}

fn judge(error: &io::Error) -> Check {
    let seen = match error.kind() {
        io::ErrorKind::NotFound => "not here".to_owned(),
        io::ErrorKind::PermissionDenied => format!("{SOCKET} may not be opened by this user"),
        _ => format!("{SOCKET} does not answer ({error})"),
    };
    Check::info(NAME, format!("{seen}; this version does not need it"))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn no_docker_is_a_normal_state() {
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied, io::ErrorKind::ConnectionRefused] {
            assert_eq!(judge(&kind.into()).verdict, Verdict::Info);
        }
    }
}
