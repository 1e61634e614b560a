use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Daemon;
use crate::until;

/// In front of a [`Daemon`]: sees which containers are asked for, gives away GPUs that are not there, and can hold back a
/// question or its answer, so that a test knows at which moment it acts.
#[derive(Debug)]
pub struct Proxy {
    folder: TempDir,
    state: Arc<State>,
    task: JoinHandle<()>,
}

/// What is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Questions whose path ends like this never reach the daemon.
    Question(&'static str),
    /// The daemon does what such questions ask for, and nobody hears of it.
    Answer(&'static str),
}

#[derive(Debug)]
struct State {
    daemon: PathBuf,
    hold: watch::Sender<Option<Hold>>,
    held: watch::Sender<usize>,
    created: Mutex<Vec<Value>>,
}

/// One that is held back, for as long as it is.
struct Held<'a>(&'a watch::Sender<usize>);

// === impl Proxy ===

impl Proxy {
    /// Starts one.
    pub fn before(daemon: &Daemon) -> Self {
        let folder = TempDir::with_prefix("eh-proxy-").unwrap();
        let listener = UnixListener::bind(folder.path().join("sock")).unwrap();
        let state = Arc::new(State {
            daemon: daemon.socket(),
            hold: watch::Sender::new(None),
            held: watch::Sender::new(0),
            created: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, state.clone()));
        Self { folder, state, task }
    }

    /// What `DOCKER_HOST` says.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("sock").display())
    }

    /// Holds back from now on.
    pub fn hold(&self, hold: Hold) {
        self.state.hold.send_replace(Some(hold));
    }

    /// Lets everything through again.
    pub fn release(&self) {
        self.state.hold.send_replace(None);
    }

    /// Waits until something is held back.
    pub async fn until_holds(&self) {
        until("something to be held back", || *self.state.held.borrow() > 0).await;
    }

    /// What containers were asked for so far, in order: bodies of `POST /containers/create`.
    pub fn created(&self) -> Vec<Value> {
        self.state.created.lock().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl State ===

impl State {
    async fn pass(&self, request: Request<Incoming>) -> io::Result<Response<Incoming>> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let mut body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if path.ends_with("/containers/create") {
            body = self.see(&body);
        }
        // It has another length now.
        parts.headers.remove(header::CONTENT_LENGTH);
        self.pause(|hold| matches!(hold, Hold::Question(end) if path.ends_with(end))).await;
        let stream = UnixStream::connect(&self.daemon).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let response =
            sender.send_request(Request::from_parts(parts, Full::new(body))).await.map_err(io::Error::other)?;
        self.pause(|hold| matches!(hold, Hold::Answer(end) if path.ends_with(end))).await;
        Ok(response)
    }

    /// Notes what is asked for, and takes the GPUs out of it: there are none.
    fn see(&self, body: &Bytes) -> Bytes {
        let mut asked: Value = serde_json::from_slice(body).unwrap();
        self.created.lock().push(asked.clone());
        asked["HostConfig"]["DeviceRequests"] = Value::Null;
        asked.to_string().into()
    }

    async fn pause(&self, holds: impl Fn(&Hold) -> bool) {
        let mut hold = self.hold.subscribe();
        if hold.borrow().as_ref().is_some_and(&holds) {
            let _held = Held::new(&self.held);
            // Ends with the proxy at the latest.
            let _ = hold.wait_for(|hold| !hold.as_ref().is_some_and(&holds)).await;
        }
    }
}

// === impl Held ===

impl<'a> Held<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

async fn accept(listener: UnixListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let state = state.clone();
                async move { state.pass(request).await }
            });
            // A client that is killed in the middle is what this is for.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
