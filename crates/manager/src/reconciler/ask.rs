use std::io;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use runtime::Listener;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Bytes of an answer that are read.
const MOST: usize = 4 << 20;

/// Asks an engine itself for what it has at a path. The caller bounds the time.
pub(super) async fn get(listener: &Listener, path: &str) -> Result<(StatusCode, Bytes), String> {
    match listener {
        Listener::Port(port) => send(TcpStream::connect(("127.0.0.1", *port)).await, path).await,
        Listener::Address(address) => send(TcpStream::connect(address).await, path).await,
        Listener::Socket(socket) => send(UnixStream::connect(socket).await, path).await,
    }
}

async fn send<S>(stream: io::Result<S>, path: &str) -> Result<(StatusCode, Bytes), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let text = |error: &dyn std::error::Error| format!("{path}: {error}");
    let stream = TokioIo::new(stream.map_err(|error| text(&error))?);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| text(&error))?;
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| text(&error))?;
    // The connection is driven here, so that it ends with the question. What ends it shows in the response.
    let driven = async {
        let _ = connection.await;
        std::future::pending().await
    };
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| text(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        Ok((status, body.map_err(|error| format!("{path}: {error}"))?.to_bytes()))
    };
    tokio::select! {
        answer = answered => answer,
        never = driven => never,
    }
}
