//! The protocol by hand: engines and clients that send any bytes they like.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::{KEY, TestGateway, deployment};

/// How long a connection is listened to that says nothing more.
const QUIET: Duration = Duration::from_millis(300);

/// What becomes of an engine's connection once it has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Closed.
    Close,
    /// Nothing more is written; what comes is still read.
    HalfClose,
    /// Kept for the next request.
    Keep,
}

/// One answer of a [`RawEngine`].
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    /// Whether the request is read to its end before.
    pub(crate) reads_all: bool,
    pub(crate) then: Then,
}

/// An engine that answers with bytes, and keeps all that it was sent.
#[derive(Clone, Debug)]
pub(crate) struct RawEngine {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

// === impl Reply ===

impl Reply {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        Self { bytes: bytes.into(), reads_all: true, then }
    }
}

// === impl RawEngine ===

impl RawEngine {
    /// Answers the n-th request, from 0, with what `reply` gives; closes the connection unanswered where that is nothing.
    pub(crate) async fn start(reply: impl Fn(usize) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let engine = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let (started, reply) = (engine.clone(), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (engine, reply) = (started.clone(), reply.clone());
                tokio::spawn(async move { engine.serve(stream, &*reply).await });
            }
        });
        engine
    }

    /// Answers everything with the same.
    pub(crate) async fn answering(reply: Reply) -> Self {
        Self::start(move |_| Some(reply.clone())).await
    }

    /// The requests, head and body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }

    async fn serve(&self, mut stream: TcpStream, reply: &(impl Fn(usize) -> Option<Reply> + Send + Sync)) {
        let mut unread = Vec::new();
        while let Some(length) = head(&mut stream, &mut unread).await {
            let number = self.seen.lock().len();
            let Some(reply) = reply(number) else {
                self.seen.lock().push(String::new());
                return;
            };
            while reply.reads_all && unread.len() < length {
                if stream.read_buf(&mut unread).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let whole: Vec<u8> = unread.drain(..length.min(unread.len())).collect();
            self.seen.lock().push(String::from_utf8_lossy(&whole).into_owned());
            let _ = stream.write_all(&reply.bytes).await;
            match reply.then {
                Then::Keep => {}
                Then::Close => return,
                Then::HalfClose => {
                    let _ = stream.shutdown().await;
                    while stream.read(&mut [0; 4_096]).await.unwrap_or(0) > 0 {}
                }
            }
        }
    }
}

/// Reads a request's head; the length of the request. None at the end.
async fn head(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(end) = unread.windows(4).position(|at| at == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&unread[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            return Some(end + 4 + length.unwrap_or(0));
        }
        if stream.read_buf(unread).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// A gateway whose only engine is at `address`; it tries `retries` times more.
pub(crate) async fn before(address: SocketAddr, retries: u32) -> TestGateway {
    TestGateway::with(&[], |snapshot| {
        snapshot.settings.retries = retries;
        snapshot.models[0].deployments.push(deployment("d0", address));
    })
    .await
}

/// A request with [`KEY`].
pub(crate) fn request(path: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends `bytes`; all that comes back until the connection ends or nothing more comes.
pub(crate) async fn exchange(gateway: &TestGateway, bytes: &[u8]) -> String {
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    // A gateway that has seen enough closes early.
    let _ = client.write_all(bytes).await;
    hear(&mut client).await
}

/// All that comes until the connection ends or nothing more comes.
pub(crate) async fn hear(client: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    // The first byte can take its time.
    let mut patience = Duration::from_secs(10);
    while let Ok(Ok(1..)) = timeout(patience, client.read_buf(&mut heard)).await {
        patience = QUIET;
    }
    String::from_utf8_lossy(&heard).into_owned()
}

/// The statuses of the answers in what was heard, interim ones too.
pub(crate) fn statuses(heard: &str) -> Vec<u16> {
    heard.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}

/// Sends `bytes` one at a time.
pub(crate) async fn drip(client: &mut TcpStream, bytes: &[u8], gap: Duration) {
    for byte in bytes {
        client.write_all(&[*byte]).await.unwrap();
        sleep(gap).await;
    }
}
