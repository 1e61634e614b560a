use std::io;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Check;

const NAME: &str = "docker";
const SOCKET: &str = "/var/run/docker.sock";
/// Says where it listens instead.
const HOST: &str = "DOCKER_HOST";
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether Docker listens. For information: endpoints and local processes need none.
pub(super) async fn check() -> Check {
    let host = std::env::var(HOST).unwrap_or_default();
    if !host.is_empty() && !host.starts_with("unix://") {
        return Check::info(NAME, format!("{HOST} leads to {host}, which is not looked at"));
    }
    let socket = host.strip_prefix("unix://").unwrap_or(SOCKET);
    let error = match timeout(PATIENCE, UnixStream::connect(socket)).await {
        Ok(Ok(_)) => return Check::ok(NAME, format!("listens on {socket}")),
        Ok(Err(error)) => error,
        Err(_) => io::Error::from(io::ErrorKind::TimedOut),
    };
    judge(socket, &error)
}

fn judge(socket: &str, error: &io::Error) -> Check {
    let seen = match error.kind() {
        io::ErrorKind::NotFound => "not here".to_owned(),
        io::ErrorKind::PermissionDenied => format!("{socket} may not be opened by this user"),
        _ => format!("{socket} does not answer ({error})"),
    };
    Check::info(NAME, format!("{seen}; needed for engines with `runtime: docker` only"))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn no_docker_is_a_normal_state() {
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied, io::ErrorKind::ConnectionRefused] {
            assert_eq!(judge(SOCKET, &kind.into()).verdict, Verdict::Info);
        }
    }
}
