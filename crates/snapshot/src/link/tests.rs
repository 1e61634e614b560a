use std::path::{Path, PathBuf};
use std::sync::Arc;

use ambient::Timestamp;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;

use super::frame::{self, FrameReader};
use super::message::{MAX_TO_GATEWAY, ToGateway, ToManager};
use super::{Link, LinkConfig, serve};
use crate::testing::{key, snapshot};
use crate::{Behind, Kept, Publisher, Snapshot, Subscriber};

const PATIENCE: Duration = Duration::from_secs(20);

/// A manager's side, on a socket of its own.
struct Manager {
    publisher: Publisher,
    store_fault: watch::Sender<Option<String>>,
    serving: JoinHandle<()>,
}

struct Gateway {
    subscriber: Subscriber,
    troubles: watch::Receiver<Vec<String>>,
    running: JoinHandle<()>,
}

// === impl Manager ===

impl Manager {
    fn start(socket: &Path, number: u64) -> Self {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).unwrap();
        let (publisher, store_fault) = (Publisher::new(number), watch::Sender::new(None));
        let served = serve(listener, publisher.clone(), store_fault.subscribe(), CancellationToken::new());
        Self { publisher, store_fault, serving: tokio::spawn(served) }
    }

    async fn until_connected(&self, count: usize) {
        let connected = async {
            while self.publisher.connected().len() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, connected).await.unwrap();
    }

    /// As a kill does.
    async fn end(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }
}

// === impl Gateway ===

impl Gateway {
    fn start(socket: &Path, kept: Option<Snapshot>) -> Self {
        let kept = kept.map(|snapshot| Kept { at: Timestamp::default(), snapshot });
        let (link, subscriber) = Link::new(LinkConfig { socket: socket.to_owned(), name: "gateway g".into(), kept });
        let troubles = link.troubles();
        Self { subscriber, troubles, running: tokio::spawn(link.run()) }
    }

    /// The next snapshot, served.
    async fn next(&mut self) -> Arc<Snapshot> {
        let snapshot = timeout(PATIENCE, self.subscriber.next()).await.unwrap().unwrap();
        self.subscriber.acknowledge(snapshot.epoch);
        snapshot
    }

    async fn until_trouble(&mut self, is: impl Fn(&[String]) -> bool) {
        let seen = self.troubles.wait_for(|troubles| is(troubles));
        timeout(PATIENCE, seen).await.unwrap().unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn socket() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.sock");
    (folder, path)
}

/// As the publisher numbers it.
fn numbered(snapshot: Snapshot, manager: u64, epoch: u64) -> Snapshot {
    Snapshot { manager, epoch, ..snapshot }
}

#[tokio::test]
async fn a_gateway_gets_the_whole_then_what_changes_and_answers_for_each() {
    let (_folder, path) = socket();
    let manager = Manager::start(&path, 7);
    let mut gateway = Gateway::start(&path, None);
    manager.until_connected(1).await;
    let mut newest = snapshot(50);
    for change in 0..4 {
        newest.keys.push(key(&format!("new {change}")));
        newest.keys[change].blocked = true;
        let epoch = manager.publisher.publish(newest.clone());
        assert_eq!(*gateway.next().await, numbered(newest.clone(), 7, epoch));
        manager.publisher.acknowledged(epoch, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_new_manager_is_followed_and_nothing_older_replaces_what_is_served() {
    let (_folder, path) = socket();
    let manager = Manager::start(&path, 7);
    for _ in 0..5 {
        manager.publisher.publish(snapshot(1));
    }
    let mut gateway = Gateway::start(&path, None);
    assert_eq!(gateway.next().await.epoch, 5);
    manager.end().await;
    gateway.until_trouble(|troubles| troubles.iter().any(|trouble| trouble.contains("manager: it is away"))).await;

    let manager = Manager::start(&path, 8);
    manager.publisher.publish(snapshot(2));
    let next = gateway.next().await;
    assert_eq!((next.manager, next.models.len()), (8, 2));
    assert!(next.epoch > 5, "epochs grow: {}", next.epoch);
    gateway.until_trouble(<[String]>::is_empty).await;
    assert_eq!(manager.publisher.acknowledged(next.epoch, PATIENCE).await, Ok(()));
    manager.store_fault.send_replace(Some("locked".to_owned()));
    gateway.until_trouble(|troubles| *troubles == ["store: locked"]).await;
}

#[tokio::test]
async fn what_was_kept_is_served_only_when_the_manager_says_nothing() {
    let (_folder, path) = socket();
    let kept = numbered(snapshot(3), 6, 40);
    let mut alone = Gateway::start(&path, Some(kept.clone()));
    assert_eq!(*alone.next().await, kept);
    alone.until_trouble(|troubles| troubles.iter().any(|trouble| trouble.contains("away"))).await;

    let manager = Manager::start(&path, 7);
    manager.publisher.publish(snapshot(1));
    let newer = alone.next().await;
    assert_eq!((newer.manager, newer.epoch, newer.models.len()), (7, 41, 1));
    let mut other = Gateway::start(&path, Some(kept));
    assert_eq!(other.next().await.manager, 7, "a manager that is there is heard first");
}

#[tokio::test]
async fn a_delta_for_another_snapshot_is_answered_with_the_whole() {
    let (_folder, path) = socket();
    let manager = Manager::start(&path, 7);
    manager.publisher.publish(snapshot(1));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let (read, mut write) = stream.split();
    let mut read = FrameReader::new(read, MAX_TO_GATEWAY);
    let hello = |protocol| ToManager::Hello { protocol, version: "x".into(), name: "raw".into(), manager: 0, epoch: 0 };
    frame::write(&mut write, &hello(super::message::PROTOCOL)).await.unwrap();
    let mut wholes = 0;
    while wholes < 2 {
        if let ToGateway::Full(_) = read.next::<ToGateway>().await.unwrap().unwrap() {
            wholes += 1;
            frame::write(&mut write, &ToManager::Again).await.unwrap();
        }
    }
    let mut other = UnixStream::connect(&path).await.unwrap();
    let (read, mut write) = other.split();
    let mut read = FrameReader::new(read, MAX_TO_GATEWAY);
    frame::write(&mut write, &hello(99)).await.unwrap();
    assert!(matches!(read.next::<ToGateway>().await.unwrap(), Some(ToGateway::Welcome { .. })));
    assert!(read.next::<ToGateway>().await.unwrap().is_none(), "another protocol is told which and turned away");
}

#[tokio::test]
async fn a_gateway_that_reads_nothing_holds_up_nobody_and_gets_the_newest_at_last() {
    let (_folder, path) = socket();
    let manager = Manager::start(&path, 7);
    let mut prompt = Gateway::start(&path, None);
    let mut stopped = UnixStream::connect(&path).await.unwrap();
    let hello = ToManager::Hello {
        protocol: super::message::PROTOCOL,
        version: "x".into(),
        name: "gateway stopped".into(),
        manager: 0,
        epoch: 0,
    };
    frame::write(&mut stopped, &hello).await.unwrap();
    manager.until_connected(2).await;
    let mut epoch = 0;
    // Far more than a socket buffers.
    for n in 0..30 {
        let mut changed = snapshot(2_000);
        for key in &mut changed.keys {
            key.alias = Some(format!("round {n}"));
        }
        epoch = manager.publisher.publish(changed);
        while prompt.next().await.epoch < epoch {}
    }
    let behind = manager.publisher.acknowledged(epoch, Duration::from_millis(300)).await;
    assert_eq!(behind, Err(Behind::Gateways(vec!["gateway stopped".to_owned()])));

    let mut read = FrameReader::new(stopped, MAX_TO_GATEWAY);
    let (mut frames, mut at) = (0, None::<Snapshot>);
    while at.as_ref().is_none_or(|at| at.epoch < epoch) {
        match read.next::<ToGateway>().await.unwrap().unwrap() {
            ToGateway::Full(whole) => at = Some(Arc::unwrap_or_clone(whole)),
            ToGateway::Delta(delta) => at = delta.apply(at.as_ref().unwrap()),
            _ => continue,
        }
        frames += 1;
    }
    assert!(frames < 10, "{frames} of 30 snapshots were sent");
}
