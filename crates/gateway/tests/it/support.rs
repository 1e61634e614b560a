//! A gateway on a free port with its books in a temporary directory, and simulated engines behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Rng};
use bytes::Bytes;
use engine_sim::Args;
use gateway::{Gateway, GatewayConfig};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::drain::{Batch, Drain, Sink};
use ledger::{Books, Event, GatewayId, Options, Position, Price};
use parking_lot::Mutex;
use serde_json::Value;
use snapshot::{
    Address, CausePolicy, Deployment, Fallbacks, Key, KeyHash, KeyKind, Limits, Model, ModelType, Publisher, Replica,
    Settings, Snapshot, Spent, Strategy, Timeouts,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) const MASTER: &str = "sk-master-0123456789";
pub(crate) const KEY: &str = "sk-virtual-0123456789";

/// The type of the forms in these tests.
pub(crate) const FORM: &str = "multipart/form-data; boundary=b1";

/// One nano-unit per prompt token, ten per completion token.
pub(crate) const PRICE: Price = Price {
    version: 1,
    input: 1_000_000,
    cached_input: 1_000_000,
    output: 10_000_000,
    image: 0,
    audio_second: 0,
    character: 0,
    search: 0,
    request: 0,
};

/// A running gateway.
pub(crate) struct TestGateway {
    pub(crate) address: SocketAddr,
    pub(crate) cancel: CancellationToken,
    pub(crate) served: tokio::task::JoinHandle<()>,
    pub(crate) publisher: Publisher,
    pub(crate) snapshot: Snapshot,
    books: Books,
    home: TempDir,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A simulated engine, stopped on drop.
pub(crate) struct Engine {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Keeps what is drained.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Vec<Event>>>);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Runs `scenario`, which says how long something took, until that was within `bound`: on a busy machine one slow
/// round says nothing, but what is slow by itself is slow every time.
pub(crate) async fn within<F: Future<Output = Duration>>(bound: Duration, mut scenario: impl FnMut() -> F) {
    let mut took = Vec::new();
    for _ in 0..5 {
        took.push(scenario().await);
        if took.last().is_some_and(|took| *took < bound) {
            return;
        }
    }
    panic!("never within {bound:?}: {took:?}");
}

fn http_client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

// === impl Engine ===

impl Engine {
    pub(crate) async fn start(args: Args) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move { engine_sim::serve(args, listener, stopped).await.unwrap() });
        Self { address, stop, client: http_client() }
    }

    /// A chat engine that answers with `tokens` tokens, one every `inter_token_ms`.
    pub(crate) async fn chat(tokens: u32, inter_token_ms: u64) -> Self {
        Self::start(Args { model: "up".into(), tokens, inter_token_ms, ..Args::default() }).await
    }

    pub(crate) async fn failing(fault: &str) -> Self {
        let fault = Some(fault.parse().unwrap());
        Self::start(Args { model: "up".into(), fault, ..Args::default() }).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        post(&self.client, self.address, path, &[], body).await
    }

    pub(crate) async fn post_form(&self, path: &str, body: Vec<u8>) -> Answer {
        post_bytes(&self.client, self.address, path, &[("content-type", FORM)], body).await
    }

    /// Makes all requests from now on fail as `fault` says.
    pub(crate) async fn fail(&self, fault: &str) {
        self.post("/sim/faults", &format!(r#"{{"fault":"{fault}"}}"#)).await;
    }

    /// Ends what [`fail`](Self::fail) began.
    pub(crate) async fn heal(&self) {
        self.post("/sim/faults", r#"{"fault":null}"#).await;
    }

    /// What the engine itself counted.
    pub(crate) async fn state(&self) -> Value {
        let uri = format!("http://{}/sim/state", self.address);
        let request = Request::get(uri).body(Full::default()).unwrap();
        collect(self.client.request(request).await.unwrap()).await.json()
    }

    /// Waits until the engine works on as many requests as `running`; the time that took.
    pub(crate) async fn until_running(&self, running: u64) -> Duration {
        let began = tokio::time::Instant::now();
        while self.state().await["running"] != running {
            assert!(began.elapsed() < Duration::from_secs(20), "never {running} running: {}", self.state().await);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        began.elapsed()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

// === impl Memory ===

impl Sink for Memory {
    type Error = std::io::Error;

    async fn position(&self, _: GatewayId) -> Result<Option<Position>, Self::Error> {
        Ok(None)
    }

    async fn commit(&self, batch: &Batch) -> Result<(), Self::Error> {
        self.0.lock().extend(batch.events.iter().cloned());
        Ok(())
    }
}

// === impl TestGateway ===

impl TestGateway {
    /// A gateway that serves model `m` from `engines`, where it is called `up`, to the holder of [`KEY`].
    pub(crate) async fn start(engines: &[&Engine]) -> Self {
        Self::with(engines, |_| ()).await
    }

    /// As [`start`](Self::start), with the snapshot changed first.
    pub(crate) async fn with(engines: &[&Engine], change: impl FnOnce(&mut Snapshot)) -> Self {
        let mut snapshot = snapshot_of(engines);
        change(&mut snapshot);
        let home = TempDir::new().unwrap();
        let options = Options { segments: 8, segment_bytes: 1 << 20, ..Options::default() };
        let (books, recovered) = Books::open(home.path(), options, Clock::system(), &Rng::system()).unwrap();
        let (publisher, subscriber) = snapshot::channel();
        let gateway = Gateway::new(GatewayConfig {
            books: books.clone(),
            recovered,
            clock: Clock::system(),
            rng: Rng::system(),
            management_socket: None,
            behind: watch::channel(Vec::new()).1,
            keep: None,
        });
        tokio::spawn(gateway.clone().follow(subscriber));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, cancel) = (listener.local_addr().unwrap(), CancellationToken::new());
        let served = tokio::spawn(gateway.serve(listener, cancel.clone()));
        let started = Self { address, cancel, served, publisher, snapshot, books, home, client: http_client() };
        started.publish(|_| ()).await;
        started
    }

    /// Publishes a changed snapshot and waits until it is served.
    pub(crate) async fn publish(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = self.snapshot.clone();
        change(&mut snapshot);
        let epoch = self.publisher.publish(snapshot);
        self.publisher.acknowledged(epoch, Duration::from_secs(10)).await.unwrap();
    }

    /// Posts with [`KEY`].
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.post_as(KEY, path, body).await
    }

    pub(crate) async fn post_as(&self, key: &str, path: &str, body: &str) -> Answer {
        let authorization = format!("Bearer {key}");
        post(&self.client, self.address, path, &[("authorization", &authorization)], body).await
    }

    pub(crate) async fn post_with(&self, headers: &[(&str, &str)], path: &str, body: &str) -> Answer {
        post(&self.client, self.address, path, headers, body).await
    }

    /// Posts with [`KEY`]; the answer once it has begun.
    pub(crate) async fn begin(&self, path: &str, body: &str) -> Response<Incoming> {
        let uri = format!("http://{}{path}", self.address);
        let request = Request::post(uri).header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {KEY}"));
        self.client.request(request.body(Full::from(body.to_owned())).unwrap()).await.unwrap()
    }

    /// Posts a form whose boundary is `b1` with [`KEY`].
    pub(crate) async fn post_form(&self, path: &str, body: Vec<u8>) -> Answer {
        let authorization = format!("Bearer {KEY}");
        let headers = [("authorization", authorization.as_str()), ("content-type", FORM)];
        post_bytes(&self.client, self.address, path, &headers, body).await
    }

    /// Sends a request made by hand. The answer, and whether it came whole.
    pub(crate) async fn send(&self, request: http::request::Builder, path: &str, body: Vec<u8>) -> (Answer, bool) {
        let request = request.uri(format!("http://{}{path}", self.address));
        let response = self.client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
        let (head, mut rest) = response.into_parts();
        let (mut seen, mut is_whole) = (Vec::new(), true);
        while let Some(frame) = rest.frame().await {
            match frame {
                Ok(frame) => seen.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => is_whole = false,
            }
        }
        (Answer { status: head.status, headers: head.headers, body: seen.into() }, is_whole)
    }

    pub(crate) async fn get(&self, key: &str, path: &str) -> Answer {
        self.call("GET", key, path).await
    }

    /// A request without a body.
    pub(crate) async fn call(&self, method: &str, key: &str, path: &str) -> Answer {
        let uri = format!("http://{}{path}", self.address);
        let request = Request::builder().method(method).uri(uri).header("authorization", format!("Bearer {key}"));
        collect(self.client.request(request.body(Full::default()).unwrap()).await.unwrap()).await
    }

    /// Everything in the books so far.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let sink = Memory::default();
        Drain::new(self.home.path(), sink.clone(), Clock::system()).catch_up().await.unwrap();
        sink.0.lock().clone()
    }

    /// Waits until nothing is in flight, and gives the only event.
    pub(crate) async fn only_event(&self) -> Event {
        self.settled().await;
        let mut events = self.events().await;
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn settled(&self) {
        let began = tokio::time::Instant::now();
        while self.books.health().outstanding > 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "requests leak: {:?}", self.books.health());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Status, type, param and code of an error in OpenAI's shape.
    pub(crate) fn error(&self) -> (u16, String, String, String) {
        let json = self.json();
        let error = &json["error"];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
        let text = |field: &str| error[field].as_str().unwrap_or("-").to_owned();
        (self.status.as_u16(), text("type"), text("param"), text("code"))
    }
}

fn snapshot_of(engines: &[&Engine]) -> Snapshot {
    let deployments = engines.iter().enumerate().map(|(n, engine)| deployment(&format!("d{n}"), engine.address));
    Snapshot {
        revision: 1,
        models: vec![model("m", deployments.collect())],
        keys: vec![key("k1", KEY)],
        master_key: Some(KeyHash::of(MASTER)),
        settings: Settings::default(),
        ..Snapshot::default()
    }
}

pub(crate) fn model(name: &str, deployments: Vec<Deployment>) -> Model {
    Model {
        name: name.into(),
        model_type: ModelType::Chat,
        price: PRICE,
        limits: Limits::default(),
        spent: Spent::default(),
        context_length: None,
        strategy: Strategy::LeastBusy,
        fallbacks: Fallbacks::default(),
        retries: None,
        retry_policy: CausePolicy::default(),
        created: 1_700_000_000,
        open_access: false,
        deployments,
    }
}

pub(crate) fn deployment(id: &str, address: SocketAddr) -> Deployment {
    let replica =
        Replica { id: format!("{id}/0").into(), address: Address::Http(address.to_string()), base_path: "/v1".into() };
    Deployment {
        id: id.into(),
        upstream_model: "up".into(),
        weight: 1,
        credential: None,
        health_path: None,
        rpm: None,
        tpm: None,
        order: 0,
        max_input_tokens: None,
        cost: None,
        timeouts: Timeouts::default(),
        replicas: vec![replica],
    }
}

pub(crate) fn key(id: &str, secret: &str) -> Key {
    Key {
        id: Arc::from(id),
        hash: KeyHash::of(secret),
        kind: KeyKind::Virtual,
        alias: Some(format!("{id}-alias")),
        models: Vec::new(),
        aliases: BTreeMap::new(),
        team: None,
        limits: Limits::default(),
        spent: Spent::default(),
        retries: None,
        routing: None,
        expires_at: None,
        blocked: false,
    }
}

async fn post(
    client: &Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let headers = [&[("content-type", "application/json")], headers].concat();
    post_bytes(client, address, path, &headers, body.to_owned().into()).await
}

async fn post_bytes(
    client: &Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let mut request = Request::post(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body)).unwrap();
    collect(client.request(request).await.unwrap()).await
}

async fn collect(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
}
