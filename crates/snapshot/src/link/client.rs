use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::time::sleep;

use super::frame::{self, FrameReader};
use super::message::{MAX_TO_GATEWAY, PROTOCOL, ToGateway, ToManager};
use super::peer;
use crate::{Kept, Publisher, Snapshot, Subscriber};

/// Between two tries to reach the manager.
const AGAIN: Duration = Duration::from_millis(250);
/// How long a manager that is there may take to say what is to be served, before what was kept is.
const HEAD_START: Duration = Duration::from_millis(100);
/// The manager says something every second; after this time without a word it is called away.
const QUIET: Duration = Duration::from_secs(5);

/// What a gateway needs to follow a manager in another process.
#[derive(Debug)]
pub struct LinkConfig {
    /// The manager's socket.
    pub socket: PathBuf,
    /// How messages name the gateway.
    pub name: String,
    /// What was served last, to go on with where the manager is away.
    pub kept: Option<Kept>,
}

/// A gateway's side of the way from a manager in another process.
#[derive(Debug)]
pub struct Link {
    socket: PathBuf,
    name: String,
    /// What is not served yet, and is if the manager is away.
    kept: Option<Arc<Snapshot>>,
    /// When `kept` was.
    kept_at: String,
    /// What is or will be served; nothing older may replace it.
    newest: Option<Arc<Snapshot>>,
    /// To the gateway in this process.
    publisher: Publisher,
    served: watch::Receiver<u64>,
    presence: Presence,
    /// What the manager says about its store.
    store_fault: Option<String>,
    troubles: watch::Sender<Vec<String>>,
}

/// Whether the manager is there.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Presence {
    /// Not yet known.
    Unknown,
    Here,
    /// It is connected and says nothing.
    Silent,
    /// It cannot be reached, or not be followed, for this reason.
    Away(String),
}

// === impl Link ===

impl Link {
    /// The link, and where the gateway gets its snapshots from once [`run`](Self::run) runs.
    pub fn new(config: LinkConfig) -> (Self, Subscriber) {
        let publisher = Publisher::new(0);
        let subscriber = publisher.subscribe(config.name.clone());
        let kept_at = config.kept.as_ref().map_or_else(String::new, |kept| kept.at.to_string());
        let kept = config.kept.map(|kept| Arc::new(kept.snapshot));
        let link = Self {
            socket: config.socket,
            name: config.name,
            newest: kept.clone(),
            kept,
            kept_at,
            publisher,
            served: subscriber.acknowledger().subscribe(),
            presence: Presence::Unknown,
            store_fault: None,
            troubles: watch::Sender::default(),
        };
        (link, subscriber)
    }

    /// What is wrong with the manager or its store, now and whenever that changes.
    pub fn troubles(&self) -> watch::Receiver<Vec<String>> {
        self.troubles.subscribe()
    }

    /// Follows the manager, whenever there is one, for ever.
    pub async fn run(mut self) {
        loop {
            let Err(error) = self.follow().await;
            self.set_presence(Presence::Away(error.to_string()));
            self.go_on_with_kept();
            sleep(AGAIN).await;
        }
    }

    /// Follows one manager until it ends.
    async fn follow(&mut self) -> io::Result<std::convert::Infallible> {
        let stream = UnixStream::connect(&self.socket).await?;
        peer::check(&stream)?;
        let (read, mut write) = stream.into_split();
        let mut read = FrameReader::new(read, MAX_TO_GATEWAY);
        frame::write(&mut write, &self.hello()).await?;
        let mut head_start = std::pin::pin!(sleep(HEAD_START));
        loop {
            tokio::select! {
                message = read.next() => {
                    let ended = || io::Error::new(io::ErrorKind::UnexpectedEof, "it has ended");
                    self.take(message?.ok_or_else(ended)?, &mut write).await?;
                }
                Ok(()) = self.served.changed() => {
                    let epoch = *self.served.borrow_and_update();
                    frame::write(&mut write, &ToManager::Serving { epoch }).await?;
                }
                () = sleep(QUIET) => self.set_presence(Presence::Silent),
                () = &mut head_start, if self.kept.is_some() => self.go_on_with_kept(),
            }
        }
    }

    fn hello(&self) -> ToManager {
        let (manager, epoch) = self.newest.as_ref().map_or((0, 0), |newest| (newest.manager, newest.epoch));
        let version = env!("CARGO_PKG_VERSION").to_owned();
        ToManager::Hello { protocol: PROTOCOL, version, name: self.name.clone(), manager, epoch }
    }

    async fn take(&mut self, message: ToGateway, write: &mut OwnedWriteHalf) -> io::Result<()> {
        match message {
            ToGateway::Welcome { protocol, version } if protocol != PROTOCOL => {
                let fault = format!("it is of version {version}; run the same version of both planes");
                return Err(io::Error::new(io::ErrorKind::Unsupported, fault));
            }
            ToGateway::Welcome { .. } | ToGateway::Alive => {}
            ToGateway::Full(snapshot) => self.relay(snapshot)?,
            ToGateway::Delta(delta) => match self.newest.as_ref().and_then(|newest| delta.apply(newest)) {
                Some(snapshot) => self.relay(Arc::new(snapshot))?,
                None => frame::write(write, &ToManager::Again).await?,
            },
            ToGateway::Store { fault } => {
                self.store_fault = fault;
                self.tell_troubles();
            }
        }
        self.set_presence(Presence::Here);
        Ok(())
    }

    /// Passes on what is to be served now, unless it is older than what is served.
    fn relay(&mut self, snapshot: Arc<Snapshot>) -> io::Result<()> {
        if let Some(newest) = &self.newest {
            let is_older =
                snapshot.epoch < newest.epoch || (snapshot.epoch == newest.epoch && snapshot.manager != newest.manager);
            if is_older {
                let fault = format!("it sent epoch {} after {}", snapshot.epoch, newest.epoch);
                return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
            }
            if snapshot.revision < newest.revision {
                let (revision, before) = (snapshot.revision, newest.revision);
                tracing::warn!(revision, before, "the manager applies an older revision than was served before");
            }
        }
        (self.newest, self.kept) = (Some(snapshot.clone()), None);
        self.publisher.relay(snapshot);
        Ok(())
    }

    /// Serves what was kept, if nothing else is served.
    fn go_on_with_kept(&mut self) {
        if let Some(kept) = self.kept.take() {
            let (revision, kept_at) = (kept.revision, &self.kept_at);
            tracing::warn!(revision, kept_at, "the manager says nothing; serving as it was when it was last heard of");
            self.publisher.relay(kept);
            self.tell_troubles();
        }
    }

    fn set_presence(&mut self, presence: Presence) {
        if self.presence == presence {
            return;
        }
        let was_away = matches!(self.presence, Presence::Away(_));
        match &presence {
            Presence::Away(_) if was_away => {}
            Presence::Here => tracing::info!("the manager is connected"),
            Presence::Silent => tracing::warn!(silent_for = ?QUIET, "the manager is connected and says nothing"),
            Presence::Away(fault) if self.newest.is_none() => {
                tracing::warn!(fault, "the manager is away; waiting for it, since there is nothing to serve");
            }
            Presence::Away(fault) => tracing::warn!(fault, "the manager is away; going on without it"),
            Presence::Unknown => {}
        }
        self.presence = presence;
        self.tell_troubles();
    }

    fn tell_troubles(&self) {
        let newest = self.newest.as_ref().map_or(0, |newest| newest.revision);
        let manager = match &self.presence {
            Presence::Unknown | Presence::Here => None,
            Presence::Silent => Some(format!("manager: it has said nothing for {} s or more", QUIET.as_secs())),
            Presence::Away(fault) => Some(format!("manager: it is away ({fault}); revision {newest} is served")),
        };
        // What a manager that is away said about its store says nothing any more.
        let store = self.store_fault.as_ref().filter(|_| manager.is_none());
        let store = store.map(|fault| format!("store: {fault}"));
        self.troubles.send_replace(manager.into_iter().chain(store).collect());
    }
}
