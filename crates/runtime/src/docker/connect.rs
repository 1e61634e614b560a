use std::time::Duration;

use bollard::Docker as Api;

use super::DockerError;

/// Where the daemon listens unless `DOCKER_HOST` says otherwise.
pub(super) const USUAL: &str = "unix:///var/run/docker.sock";
/// How long the daemon may take to say which versions of its API it speaks.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client that speaks the daemon's version: too new a one is refused, and too old a one as well.
pub(super) async fn connect(host: &str) -> Result<Api, DockerError> {
    let api = Api::connect_with_host(host).map_err(|error| match error {
        bollard::errors::Error::UnsupportedURISchemeError { .. } => DockerError::Host { host: host.to_owned() },
        other => DockerError::of(host, other),
    })?;
    match tokio::time::timeout(PATIENCE, api.negotiate_version()).await {
        Ok(negotiated) => negotiated.map_err(|error| DockerError::of(host, error)),
        Err(_) => Err(silent(host, PATIENCE)),
    }
}

/// The daemon took the connection and said nothing.
pub(super) fn silent(host: &str, patience: Duration) -> DockerError {
    DockerError::Away { host: host.to_owned(), reason: format!("no answer within {} s", patience.as_secs()) }
}
