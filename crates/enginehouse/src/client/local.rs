use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderValue, Response, header};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use super::{ApiRequest, Body, Unreachable};

/// Between two looks for a server that may be about to start.
const POLL: Duration = Duration::from_millis(100);

/// A server that runs on this home, by its control socket. File permissions are the authentication.
#[derive(Debug)]
pub(super) struct Local {
    socket: PathBuf,
}

// === impl Local ===

impl Local {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Whether a server listens. No socket, or one that a dead server left behind, is a no; a socket that may not
    /// be opened is an error.
    pub(super) async fn is_served(&self) -> Result<bool, Unreachable> {
        match UnixStream::connect(&self.socket).await {
            Ok(_) => Ok(true),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(false),
            Err(e) => Err(self.unreachable(&e)),
        }
    }

    /// Whether a server listens within `patience`.
    pub(super) async fn comes_up(&self, patience: Duration) -> Result<bool, Unreachable> {
        let give_up = Instant::now() + patience;
        while Instant::now() < give_up {
            sleep(POLL).await;
            if self.is_served().await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends one request over a connection of its own, which ends with the answer.
    pub(super) async fn send(&self, mut request: ApiRequest) -> anyhow::Result<Response<Body>> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|e| self.unreachable(&e))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("enginehouse"));
        Ok(sender.send_request(request).await?.map(|body| body.map_err(Into::into).boxed_unsync()))
    }

    fn unreachable(&self, error: &io::Error) -> Unreachable {
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied => "; run this as the owner of the home, or as root",
            _ => "; start the service with `enginehouse serve`, or name another home with --home",
        };
        Unreachable { what: self.socket.display().to_string(), why: error.to_string(), advice: advice.to_owned() }
    }
}
