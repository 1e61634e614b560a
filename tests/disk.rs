//! A disk that is full, and one that turns read-only, while requests run: the books decide what is served, and nothing that
//! was answered is missing or there twice. On file systems of their own, which only root may mount.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::{LogsFilter, Store};
use support::{Answer, Engine, Http, Mount, Planes, Server, ServerOptions, Signal, document, eventually};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const PATH: &str = "/v1/chat/completions";

/// A home with room for the databases and for little else.
const TMPFS_BYTES: u64 = 16 << 20;
const DISK_BYTES: u64 = 48 << 20;

/// Bytes of a segment of the books: 16 of them hold some 1,500 requests.
const SEGMENT: &str = "65536";

/// Requests that the books surely take while nothing drains them: the disk was full before them.
const RECORDED: usize = 400;

/// Clients at once, and how long they try to fill the books.
const CLIENTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(90);

/// Records are forced to the disk every 100 ms; the rest is for slow machines.
const FORCED: Duration = Duration::from_secs(1);

support::in_both_forms!(
    a_full_disk_stops_requests_only_when_the_books_are_full,
    a_full_disk_stops_no_request_where_that_is_wished,
    a_read_only_disk_stops_requests,
    a_read_only_disk_stops_no_request_where_that_is_wished,
);

/// A server whose home is a file system of its own, and what it has answered.
struct Scene {
    answered: Arc<Answered>,
    client: Http,
    // Before the server, whose folder goes with it.
    mount: Mount,
    server: Server,
    _engine: Engine,
}

/// Ids of the requests that were answered with 200.
#[derive(Default)]
struct Answered {
    next: AtomicU64,
    ids: Mutex<HashSet<String>>,
}

/// What one try came to: 200, or the code of the refusal.
#[derive(Debug, PartialEq, Eq)]
enum Tried {
    Served,
    Refused(String),
}

// === impl Scene ===

impl Scene {
    async fn start(planes: Planes, on_full: &str, mount: impl FnOnce(&ServerOptions) -> Option<Mount>) -> Option<Self> {
        let program = support::enginehouse!();
        let options = ServerOptions::new(&program).planes(planes).arguments(&["--books-segment-bytes", SEGMENT]);
        let mount = mount(&options)?;
        let engine = Engine::start(&program, &["--model", "m", "--tokens", "2"]).await;
        let server = options.start().await;
        let mut state = document::chat("m", &engine);
        state["ledger"] = json!({"on_full": on_full});
        server.apply(&state);
        let client = server.client_with(&server.create_key(&[]));
        Some(Self { answered: Arc::default(), client, server, _engine: engine, mount })
    }

    /// One request; what was answered is noted.
    async fn ask(&self) -> Tried {
        ask(&self.client, &self.answered).await
    }

    async fn serve(&self, count: usize) {
        for _ in 0..count {
            assert_eq!(self.ask().await, Tried::Served);
        }
    }

    fn served(&self) -> usize {
        self.answered.ids.lock().len()
    }

    async fn readiness(&self) -> Answer {
        Http::to(self.server.client_address()).get("/health/readiness").await
    }

    async fn until_readiness(&self, status: u16, word: &str, reason: &str) {
        eventually(&format!("readiness to say {status} {word} {reason}"), || async {
            let answer = self.readiness().await;
            let found = answer.status == status && answer.text().contains(word) && answer.text().contains(reason);
            found.then_some(())
        })
        .await;
    }

    /// Asks with many clients until `is_enough` says so.
    async fn press(&self, is_enough: impl Fn(&Tried) -> bool + Clone + Send + Sync + 'static) {
        let mut clients = JoinSet::new();
        let ends = Instant::now() + PATIENCE;
        for _ in 0..CLIENTS {
            let (client, answered, is_enough) = (self.client.clone(), self.answered.clone(), is_enough.clone());
            clients.spawn(async move {
                while !is_enough(&ask(&client, &answered).await) {
                    assert!(Instant::now() < ends, "never enough");
                }
            });
        }
        clients.join_all().await;
    }

    /// Stops the server and reads its books.
    async fn booked(&mut self) -> Vec<String> {
        self.server.stop(Signal::TERM).await;
        let store = Store::open(&self.server.home()).await.unwrap();
        let all = LogsFilter { limit: 1_000_000, ..LogsFilter::default() };
        let events = store.events().logs(&all).await.unwrap();
        store.close().await;
        events.into_iter().map(|event| event.request_id).collect()
    }

    /// Everything that was answered is in the books once, and nothing else is.
    async fn assert_exact(&mut self) {
        let booked = self.booked().await;
        let ids: HashSet<_> = booked.iter().cloned().collect();
        assert_eq!(ids.len(), booked.len(), "a request has two events");
        let answered = self.answered.ids.lock().clone();
        assert_eq!(answered.difference(&ids).count(), 0, "answered, but not in the books");
        assert_eq!(ids.difference(&answered).count(), 0, "in the books, but not answered");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // What runs on it must not keep it.
        self.server.kill();
    }
}

async fn ask(client: &Http, answered: &Answered) -> Tried {
    let id = format!("disk-{}", answered.next.fetch_add(1, Ordering::Relaxed));
    let body: Value = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    let client = client.clone().with_header("x-request-id", &id);
    let answer = client.send(Method::POST, PATH, body.to_string()).await;
    if answer.status == 200 {
        answered.ids.lock().insert(id);
        return Tried::Served;
    }
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.headers.contains_key("retry-after"));
    Tried::Refused(answer.json()["error"]["code"].as_str().unwrap().to_owned())
}

fn in_memory(options: &ServerOptions) -> Option<Mount> {
    Mount::in_memory(&options.home(), TMPFS_BYTES)
}

fn on_disk(options: &ServerOptions) -> Option<Mount> {
    Mount::on_disk(&options.home(), &options.home().with_extension("image"), DISK_BYTES)
}

fn is_refused(tried: &Tried) -> bool {
    *tried == Tried::Refused("books_unavailable".to_owned())
}

async fn a_full_disk_stops_requests_only_when_the_books_are_full(planes: Planes) {
    let Some(mut scene) = Scene::start(planes, "refuse", in_memory).await else { return };
    scene.serve(20).await;
    let ballast = scene.mount.fill();
    let before = scene.served();
    scene.press(is_refused).await;
    let recorded = scene.served() - before;
    assert!(recorded >= RECORDED, "the books lie on the disk already, yet took only {recorded} requests");
    scene.until_readiness(503, "", "spool").await;
    assert!(is_refused(&scene.ask().await));

    std::fs::remove_file(ballast).unwrap();
    scene.until_readiness(200, "healthy", "").await;
    scene.serve(20).await;
    scene.assert_exact().await;
}

async fn a_full_disk_stops_no_request_where_that_is_wished(planes: Planes) {
    let Some(mut scene) = Scene::start(planes, "serve", in_memory).await else { return };
    scene.serve(20).await;
    let ballast = scene.mount.fill();
    let health = Http::to(scene.server.client_address());
    let is_full = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let watching = tokio::spawn({
        let is_full = is_full.clone();
        async move {
            while !health.get("/health/readiness").await.text().contains("spool is full") {
                sleep(Duration::from_millis(50)).await;
            }
            is_full.store(true, Ordering::Relaxed);
        }
    });
    scene
        .press(move |tried| {
            assert_eq!(*tried, Tried::Served);
            is_full.load(Ordering::Relaxed)
        })
        .await;
    watching.await.unwrap();
    scene.serve(100).await;
    scene.until_readiness(200, "degraded", "wait in memory").await;

    std::fs::remove_file(ballast).unwrap();
    scene.until_readiness(200, "healthy", "").await;
    scene.serve(20).await;
    scene.assert_exact().await;
}

async fn a_read_only_disk_stops_requests(planes: Planes) {
    let Some(mut scene) = Scene::start(planes, "refuse", on_disk).await else { return };
    scene.serve(50).await;
    sleep(FORCED).await;
    let forced = scene.answered.ids.lock().clone();
    scene.mount.break_disk();
    scene.press(is_refused).await;
    scene.until_readiness(503, "", "cannot be written").await;
    assert!(is_refused(&scene.ask().await));

    restart_on_a_mended_disk(&mut scene).await;
    // What was answered in the last 100 ms may be missing, as after a power cut.
    let booked = scene.booked().await;
    assert_once(&booked, &forced);
}

async fn a_read_only_disk_stops_no_request_where_that_is_wished(planes: Planes) {
    let Some(mut scene) = Scene::start(planes, "serve", on_disk).await else { return };
    scene.serve(50).await;
    sleep(FORCED).await;
    let forced = scene.answered.ids.lock().clone();
    scene.mount.break_disk();
    scene.serve(50).await;
    scene.until_readiness(200, "degraded", "cannot be written").await;
    scene.serve(50).await;

    restart_on_a_mended_disk(&mut scene).await;
    // What was only counted in memory went with the process; it said so while it ran.
    let booked = scene.booked().await;
    assert_once(&booked, &forced);
}

/// Read-only is for good until somebody looks after the disk.
async fn restart_on_a_mended_disk(scene: &mut Scene) {
    scene.server.kill();
    scene.mount.repair_disk();
    scene.server.restart().await;
    scene.serve(20).await;
}

fn assert_once(booked: &[String], expected: &HashSet<String>) {
    let ids: HashSet<_> = booked.iter().cloned().collect();
    assert_eq!(ids.len(), booked.len(), "a request has two events");
    assert_eq!(expected.difference(&ids).count(), 0, "it was on the disk, but is not in the books");
}
