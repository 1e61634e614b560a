//! A stand-in for a registry of images: the few questions that a pull asks, of one image with one layer. Docker takes one
//! on loopback without TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

type Body = BoxBody<Bytes, std::io::Error>;

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistryFault {
    /// Nothing.
    #[default]
    None,
    /// Every question gets this status.
    Status(u16),
    /// The second half of the layer waits for [`Registry::release`].
    Slow,
    /// The connection breaks in the middle of the layer, each time.
    Cut,
}

/// A registry on loopback.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    fault: Mutex<RegistryFault>,
    released: watch::Sender<bool>,
    layer: Bytes,
    config: Bytes,
}

// === impl Registry ===

impl Registry {
    /// One whose only image, under every name, has a layer of so many bytes.
    pub async fn start(bytes: usize) -> Self {
        Self::serving(layer(bytes), &["/file"]).await
    }

    /// One whose only image, under every name, is this file system, as a tar, and starts this.
    pub async fn serving(layer: Bytes, entrypoint: &[&str]) -> Self {
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {"Entrypoint": entrypoint},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(&layer)]},
        });
        let state = Arc::new(State {
            fault: Mutex::default(),
            released: watch::Sender::new(false),
            layer,
            config: config.to_string().into(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(serve(listener, state.clone()));
        Self { address, state, task }
    }

    /// The name of its image.
    pub fn image(&self) -> String {
        format!("{}/org/image:1", self.address)
    }

    /// From now on this goes wrong.
    pub fn set(&self, fault: RegistryFault) {
        *self.state.fault.lock() = fault;
    }

    /// Lets what is slow go on.
    pub fn release(&self) {
        self.state.released.send_replace(true);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&state, &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            // A connection that breaks is what some tests are about.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(state: &State, request: &Request<Incoming>) -> Response<Body> {
    let fault = *state.fault.lock();
    if let RegistryFault::Status(status) = fault {
        let text = json!({"errors": [{"code": "DENIED", "message": format!("made-up answer {status}")}]});
        return with(Response::builder().status(status), whole(text.to_string().into()));
    }
    let path = request.uri().path();
    let (layer, config) = (digest_of(&state.layer), digest_of(&state.config));
    let manifest: Bytes = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": state.config.len(), "digest": config},
        "layers": [{"mediaType": LAYER, "size": state.layer.len(), "digest": layer}],
    })
    .to_string()
    .into();
    let is_head = request.method() == http::Method::HEAD;
    let named = |content: &Bytes, kind: &str| {
        let answer = Response::builder()
            .header(header::CONTENT_TYPE, kind)
            .header(header::CONTENT_LENGTH, content.len())
            .header("docker-content-digest", digest_of(content));
        let body = if is_head { Bytes::new() } else { content.clone() };
        with(answer, whole(body))
    };
    if path == "/v2/" {
        with(Response::builder(), whole("{}".into()))
    } else if path.contains("/manifests/") {
        named(&manifest, MANIFEST)
    } else if path.ends_with(&config) {
        named(&state.config, "application/octet-stream")
    } else if path.ends_with(&layer) && !is_head && fault != RegistryFault::None {
        let answer = Response::builder().header(header::CONTENT_LENGTH, state.layer.len());
        with(answer, in_halves(state, fault == RegistryFault::Cut))
    } else if path.ends_with(&layer) {
        named(&state.layer, "application/octet-stream")
    } else {
        with(Response::builder().status(404), whole("{}".into()))
    }
}

fn in_halves(state: &State, cut: bool) -> Body {
    let (half, mut released) = (state.layer.len() / 2, state.released.subscribe());
    let (first, second) = (state.layer.slice(..half), state.layer.slice(half..));
    let (pieces, mut body) = mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(1);
    tokio::spawn(async move {
        let _ = pieces.send(Ok(Frame::data(first))).await;
        if cut {
            let _ = pieces.send(Err(std::io::ErrorKind::ConnectionReset.into())).await;
            return;
        }
        if released.wait_for(|released| *released).await.is_ok() {
            let _ = pieces.send(Ok(Frame::data(second))).await;
        }
    });
    StreamBody::new(futures_util::stream::poll_fn(move |context| body.poll_recv(context))).boxed()
}

fn with(response: http::response::Builder, body: Body) -> Response<Body> {
    response.body(body).unwrap()
}

fn whole(content: Bytes) -> Body {
    Full::new(content).map_err(|never| match never {}).boxed()
}

fn digest_of(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, content)))
}

/// A tar with one file of so many bytes; Docker sees by itself that it is not compressed.
fn layer(bytes: usize) -> Bytes {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..bytes).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
    std::fs::write(folder.path().join("file"), content).unwrap();
    let made = std::process::Command::new("tar").arg("-C").arg(folder.path()).args(["-cf", "-", "file"]).output();
    made.unwrap().stdout.into()
}
