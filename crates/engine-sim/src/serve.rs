use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::connection::{Door, Wire};
use crate::{Args, Listener, api, vllm};

/// Time that connections have to end after the server was told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// The server could not start or go on.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address is taken, not ours, or no address.
    #[error("cannot listen on {address}: {source}; choose another --port or --host")]
    Bind {
        /// What was tried.
        address: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The socket's path is taken or cannot be written.
    #[error("cannot listen on the socket {path}: {source}; choose another --uds")]
    Socket {
        /// What was tried.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The accept loop or the signal handler ended with an error.
    #[error("the server ended: {0}")]
    Ended(#[from] io::Error),
    /// The variable with arguments of our own cannot be read.
    #[error("ENGINE_SIM_ARGS cannot be read: {0}")]
    OwnArgs(#[from] clap::Error),
}

/// Serves on `listener` until `shutdown` completes; streams then end with `finish_reason: abort`.
///
/// Connections that are still open two seconds later are dropped.
pub async fn serve(
    args: Args,
    listener: impl Into<Listener>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let (door, gate) = Door::new(listener.into());
    let stopping = CancellationToken::new();
    let app = Arc::new(App::new(args, gate, stopping.clone()));
    let service: IntoMakeServiceWithConnectInfo<_, Wire> = api::router(app).into_make_service_with_connect_info();
    let told = stopping.clone();
    let server = axum::serve(door, service).with_graceful_shutdown(async move {
        shutdown.await;
        told.cancel();
    });
    let patience = async {
        stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server.into_future() => Ok(ended?),
        () = patience => Ok(()),
    }
}

/// Prints a line as an engine does.
#[expect(clippy::print_stderr, reason = "it plays a program that logs there")]
fn say(line: &str) {
    if !line.is_empty() {
        eprintln!("{line}");
    }
}

/// Binds what `args` say, after their start delay, and serves until SIGTERM or Ctrl-C.
pub async fn run(mut args: Args) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let log = match args.vllm.take() {
        Some(words) => {
            args = vllm::read(&words, &std::env::var(vllm::OWN_ARGS).unwrap_or_default())?;
            vllm::start_log(&args.model).to_vec()
        }
        None => vec![String::new()],
    };
    let delay = Duration::from_millis(std::mem::take(&mut args.start_delay_ms)) / u32::try_from(log.len()).unwrap_or(1);
    for line in log {
        say(&line);
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = terminate.recv() => return Ok(()),
        }
    }
    let listener = bind(&args).await?;
    let address = listener.address().map_or_else(String::new, |address: SocketAddr| address.to_string());
    tracing::info!(model = args.model, address, "simulated engine listens");
    serve(args, listener, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
    .await
}

async fn bind(args: &Args) -> Result<Listener, ServeError> {
    if let Some(path) = &args.uds {
        let bound = bind_socket(path).await;
        return bound.map(Listener::Unix).map_err(|source| ServeError::Socket { path: path.clone(), source });
    }
    let bound = TcpListener::bind((args.host.as_str(), args.port)).await;
    bound
        .map(Listener::Tcp)
        .map_err(|source| ServeError::Bind { address: format!("{}:{}", args.host, args.port), source })
}

/// Binds a Unix socket; one that a killed server left behind is taken over.
async fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(taken) if taken.kind() == io::ErrorKind::AddrInUse => match UnixStream::connect(path).await {
            Err(dead) if dead.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)?;
                UnixListener::bind(path)
            }
            _ => Err(taken),
        },
        bound => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_socket_is_taken_over_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("engine.sock");
        let live = bind_socket(&path).await.unwrap();
        assert_eq!(bind_socket(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(live);
        assert!(path.exists(), "a listener that goes away leaves its file");
        bind_socket(&path).await.unwrap();
    }
}
