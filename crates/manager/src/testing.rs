//! A manager on a throw-away home, and those who talk to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Rng};
use axum::Router;
use axum::body::Body;
use http::header::IntoHeaderName;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use ledger::{Books, Options};
use parking_lot::Mutex;
use serde_json::{Value, json};
use snapshot::{Publisher, Secret, Snapshot, Subscriber};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::home::Holder;
use crate::{Addresses, Environment, FaultPoints, Home, Manager, ManagerConfig, Opened};

pub(crate) mod engine;

/// The master key of every test.
pub(crate) const MASTER_KEY: &str = "sk-test-master-key";

/// How long a test waits for what must happen: generous, since machines can be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A manager on a home that goes when the test ends.
pub(crate) struct TestApp {
    pub(crate) manager: Manager,
    gateway: Option<Gateway>,
    running: Option<(CancellationToken, JoinHandle<()>)>,
    home: Arc<tempfile::TempDir>,
}

/// What a gateway would serve from, and whether it takes over more.
#[derive(Clone)]
struct Gateway {
    served: Arc<Mutex<Arc<Snapshot>>>,
    takes_over: watch::Sender<bool>,
}

/// How the manager is opened.
pub(crate) struct Builder {
    home: Arc<tempfile::TempDir>,
    clock: Clock,
    variables: BTreeMap<String, String>,
    /// As the environment gives it.
    admin_password: Option<&'static str>,
    master_key: Option<&'static str>,
    /// Whether the gateway takes over snapshots at once, or not before it is told to.
    prompt_gateway: bool,
}

/// Somebody who sends requests.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    token: Option<String>,
    host: &'static str,
    headers: HeaderMap,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content_type: String,
    pub(crate) body: Value,
    pub(crate) text: String,
}

// === impl Builder ===

impl Builder {
    /// With a variable in the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// With a password for the account `admin`.
    pub(crate) fn admin_password(mut self, password: &'static str) -> Self {
        self.admin_password = Some(password);
        self
    }

    /// With a gateway that takes over nothing until [`TestApp::release_gateway`].
    pub(crate) fn stuck_gateway(mut self) -> Self {
        self.prompt_gateway = false;
        self
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.home.path()
    }

    /// The same where the environment sets no master key: it is made.
    pub(crate) async fn open_as_made(mut self) -> TestApp {
        self.master_key = None;
        self.open_with(None).await
    }

    /// Opens the manager without a gateway, as a one-shot command does.
    pub(crate) async fn open(self) -> TestApp {
        self.open_with(None).await
    }

    async fn open_with(self, gateway: Option<(Publisher, Gateway)>) -> TestApp {
        let (publisher, gateway) = gateway.unzip();
        let variables = self.variables;
        let config = ManagerConfig {
            home: Home::create(self.home.path()).unwrap(),
            database: None,
            clock: self.clock,
            rng: Rng::system(),
            env: Environment::new(move |name| variables.get(name).cloned()),
            master_key: self.master_key.map(Secret::new),
            admin_password: self.admin_password.map(Secret::new),
            make_secrets: self.master_key.is_none(),
            admin_is_exposed: false,
            publisher,
            secret_keys: None,
            addresses: Addresses::default(),
            client_url: Some("http://127.0.0.1:4000".to_owned()),
            fault_points: FaultPoints::default(),
        };
        let Opened { manager, .. } = Manager::open(config).await.unwrap();
        TestApp { manager, gateway, running: None, home: self.home }
    }

    /// Opens the manager with a gateway: a service that does not run yet.
    pub(crate) async fn open_with_gateway(self) -> TestApp {
        let gateway = Gateway::connect(self.prompt_gateway);
        self.open_with(Some(gateway)).await
    }

    /// Opens the manager with a gateway and runs it.
    pub(crate) async fn run(self) -> TestApp {
        let mut app = self.open_with_gateway().await;
        let cancel = CancellationToken::new();
        let (manager, token) = (app.manager.clone(), cancel.clone());
        app.running = Some((cancel, tokio::spawn(async move { manager.run(token).await })));
        app
    }
}

// === impl TestApp ===

impl TestApp {
    pub(crate) fn on_new_home() -> Builder {
        Builder {
            home: Arc::new(tempfile::tempdir().unwrap()),
            clock: Clock::system(),
            variables: BTreeMap::new(),
            admin_password: None,
            master_key: Some(MASTER_KEY),
            prompt_gateway: true,
        }
    }

    /// Another manager on the same home, once this one has ended.
    pub(crate) fn again(&self) -> Builder {
        Builder { home: self.home.clone(), ..Self::on_new_home() }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    /// Who can open the control socket.
    pub(crate) fn owner(&self) -> Client {
        Client { router: self.manager.router(), token: None, host: "enginehouse", headers: HeaderMap::new() }
    }

    /// A holder of the master key at the admin port.
    pub(crate) fn master(&self) -> Client {
        self.anonymous().with_token(MASTER_KEY)
    }

    /// Anybody at the admin port.
    pub(crate) fn anonymous(&self) -> Client {
        let own = "127.0.0.1:7860".parse().unwrap();
        let router = self.manager.admin_router(own, crate::AllowedNetworks::default());
        Client { router, token: None, host: "127.0.0.1:7860", headers: HeaderMap::new() }
    }

    /// Who has just logged in with a browser, on a page of ours.
    pub(crate) async fn logged_in(&self, account: &str, password: &str) -> Client {
        let login = json!({ "account": account, "password": password });
        self.anonymous().post("/api/v1/session", &login).await.into_browser(self.anonymous())
    }

    /// What the gateway serves from.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.gateway.as_ref().unwrap().served.lock().clone()
    }

    /// Lets a gateway that was stuck take over what is published.
    pub(crate) fn release_gateway(&self) {
        self.gateway.as_ref().unwrap().takes_over.send_replace(true);
    }

    /// Applies a YAML document; it must be accepted.
    pub(crate) async fn apply(&self, document: &str) -> Value {
        self.apply_with("", document).await.ok()
    }

    /// Applies a YAML document with a query behind the path.
    pub(crate) async fn apply_with(&self, query: &str, document: &str) -> Answer {
        let body = json!({ "document": document, "format": "yaml", "base_dir": "/" });
        self.owner().post(&format!("/api/v1/apply{query}"), &body).await
    }

    /// Waits until a job has ended.
    pub(crate) async fn ended(&self, job: &Value) -> Value {
        let path = format!("/api/v1/jobs/{}", job.as_str().unwrap());
        self.until(async || {
            let job = self.owner().get(&path).await.ok();
            (job["state"] != "running").then_some(job)
        })
        .await
    }

    /// Waits until the first replica of the first model satisfies `is`.
    pub(crate) async fn replica(&self, is: impl Fn(&Value) -> bool) -> Value {
        self.until(async || {
            let models = self.owner().get("/api/v1/models").await.ok();
            let replica = models[0]["deployments"][0]["replicas"][0].clone();
            is(&replica).then_some(replica)
        })
        .await
    }

    /// Waits until `look` finds something.
    pub(crate) async fn until<T>(&self, look: impl AsyncFn() -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if let Ok(found) = tokio::time::timeout(PATIENCE, search).await {
            return found;
        }
        panic!("not within {PATIENCE:?}; models: {}", self.owner().get("/api/v1/models").await.body)
    }

    /// Ends the manager; engines run on unless told otherwise.
    pub(crate) async fn end(mut self, stop_engines: bool) -> Builder {
        if let Some((cancel, running)) = self.running.take() {
            cancel.cancel();
            running.await.unwrap();
        }
        self.manager.shutdown(stop_engines).await;
        self.again()
    }

    /// Ends the manager as a kill does: nothing is written any more. Its engines run on.
    pub(crate) async fn crash(mut self) -> Builder {
        let builder = self.again();
        if let Some((_, running)) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
        let home = Home::create(self.home.path()).unwrap();
        self.manager.abandon();
        drop(self);
        // The lock is free once the last task that was cancelled has let go of the manager.
        while home.lock(Holder::Serve).is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        builder
    }
}

// === impl Gateway ===

impl Gateway {
    fn connect(is_prompt: bool) -> (Publisher, Self) {
        let (publisher, mut subscriber): (_, Subscriber) = snapshot::channel();
        let served = Arc::new(Mutex::new(Arc::new(Snapshot::default())));
        let takes_over = watch::Sender::new(is_prompt);
        let mut told = takes_over.subscribe();
        let gateway = Self { served: served.clone(), takes_over };
        tokio::spawn(async move {
            while let Some(snapshot) = subscriber.next().await {
                if told.wait_for(|takes_over| *takes_over).await.is_err() {
                    return;
                }
                let epoch = snapshot.epoch;
                *served.lock() = snapshot;
                subscriber.acknowledge(epoch);
            }
        });
        (publisher, gateway)
    }
}

// === impl Client ===

impl Client {
    /// Presents another token.
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// Sends a header; it takes the place of another one of that name.
    pub(crate) fn with_header(mut self, name: impl IntoHeaderName, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    /// Sends a header no more.
    pub(crate) fn without_header(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Names another host.
    pub(crate) fn with_host(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.host);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        let headers = response.headers().clone();
        let content_type = headers.get(header::CONTENT_TYPE).map_or("", |v| v.to_str().unwrap()).to_owned();
        // Events go on for ever; who wants to hear them reads them piece by piece.
        let goes_on = content_type == "text/event-stream";
        let body = if goes_on { Body::empty() } else { response.into_body() };
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status, headers, content_type, body: serde_json::from_str(&text).unwrap_or_default(), text }
    }
}

// === impl Answer ===

impl Answer {
    /// What a header says; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A browser that keeps what this login has set, and a page of ours in it.
    pub(crate) fn into_browser(self, client: Client) -> Client {
        let cookie = self.header("set-cookie").split(';').next().unwrap().to_owned();
        let token = self.ok()["csrf_token"].as_str().unwrap().to_owned();
        let client = client.with_header("cookie", &cookie).with_header("x-csrf-token", &token);
        client.with_header("sec-fetch-site", "same-origin")
    }

    /// The body of a success.
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self.body
    }

    /// The body of a failure with this status.
    pub(crate) fn refused(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// The problem document of a failure with this status.
    pub(crate) fn problem(self, status: u16) -> Value {
        assert_eq!(self.content_type, "application/problem+json", "{}", self.text);
        assert_eq!(self.body["status"], status, "{}", self.text);
        self.refused(status)
    }
}

/// The books of the gateway in a home.
pub(crate) fn open_books(home: &std::path::Path) -> Books {
    let folder = Home::create(home).unwrap().gateway_spool();
    let options = Options { segments: 2, segment_bytes: 1 << 20, ..Options::default() };
    Books::open(&folder, options, Clock::system(), &Rng::system()).unwrap().0
}
