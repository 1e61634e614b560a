use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::delta::Delta;
use super::frame::{self, FrameReader};
use super::message::{MAX_TO_MANAGER, PROTOCOL, ToGateway, ToManager};
use super::peer;
use crate::{Publisher, Snapshot, Subscriber};

/// Gateways that are connected at most.
const MAX_GATEWAYS: usize = 16;
/// How long a gateway may take to say hello.
const HELLO_BOUND: Duration = Duration::from_secs(5);
/// How often the manager says that it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// Pause after a connection could not be accepted, for want of files.
const AGAIN: Duration = Duration::from_millis(100);

/// What all connections have in common.
#[derive(Clone, Debug)]
struct Manager {
    publisher: Publisher,
    store_fault: watch::Receiver<Option<String>>,
}

/// One gateway, from the side that writes to it.
struct Writing {
    stream: OwnedWriteHalf,
    subscriber: Subscriber,
    store_fault: watch::Receiver<Option<String>>,
    /// What the gateway has.
    sent: Option<Arc<Snapshot>>,
}

/// Brings snapshots and `store_fault` to gateways that connect to `listener`, until `cancel`.
pub async fn serve(
    listener: UnixListener,
    publisher: Publisher,
    store_fault: watch::Receiver<Option<String>>,
    cancel: CancellationToken,
) {
    let manager = Manager { publisher, store_fault };
    let places = Arc::new(Semaphore::new(MAX_GATEWAYS));
    let mut connections = JoinSet::new();
    while let Some(accepted) = cancel.run_until_cancelled(listener.accept()).await {
        while connections.try_join_next().is_some() {}
        match (accepted, places.clone().try_acquire_owned()) {
            (Ok((stream, _)), Ok(place)) => {
                let manager = manager.clone();
                connections.spawn(async move {
                    let _place = place;
                    manager.connected(stream).await;
                });
            }
            (Ok(_), Err(_)) => tracing::warn!(MAX_GATEWAYS, "a gateway was turned away: no more can be connected"),
            (Err(error), _) => {
                tracing::warn!(%error, "a gateway cannot connect");
                sleep(AGAIN).await;
            }
        }
    }
}

// === impl Manager ===

impl Manager {
    async fn connected(self, stream: UnixStream) {
        if let Err(error) = peer::check(&stream) {
            tracing::warn!(%error, "a gateway was turned away");
            return;
        }
        let (read, mut write) = stream.into_split();
        let mut read = FrameReader::new(read, MAX_TO_MANAGER);
        match timeout(HELLO_BOUND, self.greet(&mut read, &mut write)).await {
            Ok(Ok(name)) => self.attend(name, read, write).await,
            Ok(Err(error)) => tracing::warn!(%error, "a gateway was turned away"),
            Err(_) => tracing::warn!("a gateway was turned away: it did not say hello"),
        }
    }

    /// Hears who it is; its name.
    async fn greet(&self, read: &mut FrameReader<OwnedReadHalf>, write: &mut OwnedWriteHalf) -> io::Result<String> {
        let Some(ToManager::Hello { protocol, version, name, manager, epoch }) = read.next().await? else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it did not say hello"));
        };
        let own = env!("CARGO_PKG_VERSION").to_owned();
        frame::write(write, &ToGateway::Welcome { protocol: PROTOCOL, version: own }).await?;
        if protocol != PROTOCOL {
            let fault = format!("{name} is of version {version}; run the same version of both planes");
            return Err(io::Error::new(io::ErrorKind::Unsupported, fault));
        }
        if manager != self.publisher.manager() {
            self.publisher.pass(epoch);
        }
        Ok(name)
    }

    async fn attend(self, name: String, read: FrameReader<OwnedReadHalf>, stream: OwnedWriteHalf) {
        tracing::info!(gateway = name, "a gateway is connected");
        let subscriber = self.publisher.subscribe(name.clone());
        let (acknowledge, again) = (subscriber.acknowledger(), Notify::new());
        let writing = Writing { stream, subscriber, store_fault: self.store_fault, sent: None };
        let ended = tokio::select! {
            ended = hear(read, &acknowledge, &again) => ended,
            ended = writing.tell(&again) => ended,
        };
        let error = ended.err().map(|error| error.to_string());
        tracing::info!(gateway = name, error, "a gateway is not connected any more");
    }
}

/// Hears what the gateway says, until it ends.
async fn hear(
    mut read: FrameReader<OwnedReadHalf>,
    acknowledge: &watch::Sender<u64>,
    again: &Notify,
) -> io::Result<()> {
    while let Some(message) = read.next().await? {
        match message {
            ToManager::Serving { epoch } => drop(acknowledge.send_replace(epoch)),
            ToManager::Again => again.notify_one(),
            ToManager::Hello { .. } => {}
        }
    }
    Ok(())
}

// === impl Writing ===

impl Writing {
    /// Tells the gateway whatever changes. A gateway that does not read holds up this task and nothing else, and gets only
    /// the newest once it does.
    async fn tell(mut self, again: &Notify) -> io::Result<()> {
        self.store_fault.mark_changed();
        let mut ticks = interval(ALIVE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                next = self.subscriber.next() => {
                    let Some(snapshot) = next else { return Ok(()) };
                    self.send(snapshot).await?;
                }
                () = again.notified() => {
                    if let Some(snapshot) = self.sent.take() {
                        self.send(snapshot).await?;
                    }
                }
                changed = self.store_fault.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let fault = self.store_fault.borrow_and_update().clone();
                    frame::write(&mut self.stream, &ToGateway::Store { fault }).await?;
                }
                _ = ticks.tick() => frame::write(&mut self.stream, &ToGateway::Alive).await?,
            }
        }
    }

    async fn send(&mut self, snapshot: Arc<Snapshot>) -> io::Result<()> {
        let message = match &self.sent {
            Some(old) => ToGateway::Delta(Box::new(Delta::between(old, &snapshot))),
            None => ToGateway::Full(snapshot.clone()),
        };
        frame::write(&mut self.stream, &message).await?;
        self.sent = Some(snapshot);
        Ok(())
    }
}
