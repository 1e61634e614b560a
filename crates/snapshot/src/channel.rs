use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::Snapshot;

/// A way from the manager to one gateway in the same process.
pub fn channel() -> (Publisher, Subscriber) {
    let publisher = Publisher::new(0);
    let subscriber = publisher.subscribe("the gateway".to_owned());
    (publisher, subscriber)
}

/// The manager's end. Clones are the same end.
#[derive(Clone, Debug)]
pub struct Publisher(Arc<Desk>);

/// A gateway's end.
#[derive(Debug)]
pub struct Subscriber {
    /// Weak, so that the end of the manager is noticed.
    desk: Weak<Desk>,
    number: u64,
    newest: watch::Receiver<Newest>,
    /// When what came last was published.
    published_at: Instant,
    acknowledge: watch::Sender<u64>,
}

/// Who did not take over a change in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behind {
    /// No gateway is connected: whichever comes takes it over.
    NobodyThere,
    /// These gateways are, by name.
    Gateways(Vec<String>),
}

/// A gateway that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// How people know it.
    pub name: String,
    /// The epoch that it serves from; 0 before the first.
    pub epoch: u64,
}

#[derive(Debug)]
struct Desk {
    /// Stands in every snapshot.
    manager: u64,
    newest: watch::Sender<Newest>,
    gateways: Mutex<Gateways>,
}

/// What is to be served now.
#[derive(Debug, Default)]
struct Newest {
    /// The next epoch is greater.
    epoch: u64,
    snapshot: Option<Arc<Snapshot>>,
    /// When it came; none before the first.
    at: Option<Instant>,
}

/// As many as the link lets in.
#[derive(Debug, Default)]
struct Gateways {
    last_number: u64,
    connected: BTreeMap<u64, Gateway>,
}

#[derive(Clone, Debug)]
struct Gateway {
    name: String,
    /// Epoch that it serves from.
    acknowledged: watch::Receiver<u64>,
}

// === impl Publisher ===

impl Publisher {
    /// The end of one manager, which `manager` tells from those before and after it on the same home.
    pub fn new(manager: u64) -> Self {
        Self(Arc::new(Desk { manager, newest: watch::Sender::default(), gateways: Mutex::default() }))
    }

    /// Which manager this is.
    pub fn manager(&self) -> u64 {
        self.0.manager
    }

    /// Connects a gateway, until the [`Subscriber`] is dropped.
    pub fn subscribe(&self, name: String) -> Subscriber {
        let (acknowledge, acknowledged) = watch::channel(0);
        let mut gateways = self.0.gateways.lock();
        gateways.last_number += 1;
        let number = gateways.last_number;
        gateways.connected.insert(number, Gateway { name, acknowledged });
        let mut newest = self.0.newest.subscribe();
        newest.mark_changed();
        Subscriber { desk: Arc::downgrade(&self.0), number, newest, published_at: Instant::now(), acknowledge }
    }

    /// Publishes `snapshot` under the next epoch, which is returned. Later snapshots replace earlier
    /// ones that were not read yet.
    pub fn publish(&self, mut snapshot: Snapshot) -> u64 {
        let (mut epoch, mut earlier) = (0, None);
        self.0.newest.send_modify(|newest| {
            newest.epoch += 1;
            epoch = newest.epoch;
            (snapshot.manager, snapshot.epoch) = (self.0.manager, epoch);
            earlier = newest.put(Arc::new(snapshot));
        });
        // A large one takes a while to give back: not while gateways wait for the new one.
        drop(earlier);
        epoch
    }

    /// Publishes what another manager made, as it is.
    pub(crate) fn relay(&self, snapshot: Arc<Snapshot>) {
        let mut earlier = None;
        self.0.newest.send_modify(|newest| {
            newest.epoch = snapshot.epoch;
            earlier = newest.put(snapshot);
        });
    }

    /// Sees to it that what is published is newer than `epoch`, which a gateway has from an earlier manager.
    pub fn pass(&self, epoch: u64) {
        self.0.newest.send_if_modified(|newest| {
            if newest.epoch > epoch {
                return false;
            }
            newest.epoch = epoch;
            let Some(snapshot) = &mut newest.snapshot else { return false };
            newest.epoch += 1;
            Arc::make_mut(snapshot).epoch = newest.epoch;
            newest.at = Some(Instant::now());
            true
        });
    }

    /// Waits until every gateway that is connected serves from `epoch` or a later one.
    pub async fn acknowledged(&self, epoch: u64, bound: Duration) -> Result<(), Behind> {
        let give_up = Instant::now() + bound;
        let gateways: Vec<_> = self.0.gateways.lock().connected.values().cloned().collect();
        if gateways.is_empty() {
            return Err(Behind::NobodyThere);
        }
        let mut behind = Vec::new();
        for mut gateway in gateways {
            let reached = gateway.acknowledged.wait_for(|at| *at >= epoch);
            if !matches!(timeout_at(give_up, reached).await, Ok(Ok(_))) {
                behind.push(gateway.name);
            }
        }
        if behind.is_empty() { Ok(()) } else { Err(Behind::Gateways(behind)) }
    }

    /// The epoch that was published last; 0 before the first.
    pub fn newest_epoch(&self) -> u64 {
        let newest = self.0.newest.borrow();
        if newest.snapshot.is_some() { newest.epoch } else { 0 }
    }

    /// The gateways that are connected, in the order in which they came.
    pub fn connected(&self) -> Vec<Connected> {
        let gateways = self.0.gateways.lock();
        let of = |gateway: &Gateway| Connected { name: gateway.name.clone(), epoch: *gateway.acknowledged.borrow() };
        gateways.connected.values().map(of).collect()
    }
}

// === impl Subscriber ===

impl Subscriber {
    /// The newest snapshot, once there is one that was not seen yet; none when the manager has gone.
    pub async fn next(&mut self) -> Option<Arc<Snapshot>> {
        loop {
            self.newest.changed().await.ok()?;
            let newest = self.newest.borrow_and_update();
            if let Some(snapshot) = &newest.snapshot {
                self.published_at = newest.at.unwrap_or(self.published_at);
                return Some(snapshot.clone());
            }
        }
    }

    /// When what [`next`](Self::next) gave last was published.
    pub fn published_at(&self) -> Instant {
        self.published_at
    }

    /// Where what is acknowledged is told and heard.
    pub(crate) fn acknowledger(&self) -> watch::Sender<u64> {
        self.acknowledge.clone()
    }

    /// Tells the manager that `epoch` is served from now on.
    pub fn acknowledge(&self, epoch: u64) {
        self.acknowledge.send_replace(epoch);
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.upgrade() {
            desk.gateways.lock().connected.remove(&self.number);
        }
    }
}

// === impl Newest ===

impl Newest {
    /// Puts `snapshot` in the place of the one that was; that one.
    fn put(&mut self, snapshot: Arc<Snapshot>) -> Option<Arc<Snapshot>> {
        self.at = Some(Instant::now());
        self.snapshot.replace(snapshot)
    }
}

// === impl Behind ===

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyThere => f.write_str("no gateway is connected; it takes the change over when it is"),
            Self::Gateways(names) => {
                let (have, they) = if names.len() == 1 { ("has", "it") } else { ("have", "they") };
                write!(f, "{} {have} not taken over the change in time; {they} will when {they} can", names.join(", "))
            }
        }
    }
}

impl std::error::Error for Behind {}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(1);

    fn revision(revision: u64) -> Snapshot {
        Snapshot { revision, ..Snapshot::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_epoch_is_acknowledged_or_reported_behind() {
        let (publisher, mut subscriber) = channel();
        let epoch = publisher.publish(revision(3));
        assert!(publisher.acknowledged(epoch, BOUND).await.is_err());
        let snapshot = subscriber.next().await.unwrap();
        assert_eq!((snapshot.epoch, snapshot.revision), (epoch, 3));
        subscriber.acknowledge(snapshot.epoch);
        publisher.acknowledged(epoch, BOUND).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_behind_are_named_within_the_bound_and_those_that_went_are_forgotten() {
        let publisher = Publisher::new(7);
        let epoch = publisher.publish(revision(1));
        assert_eq!(publisher.acknowledged(epoch, BOUND).await, Err(Behind::NobodyThere));
        let [prompt, slow, gone] = ["a", "b", "c"].map(|name| publisher.subscribe(name.to_owned()));
        prompt.acknowledge(epoch);
        let began = Instant::now();
        let asked = publisher.acknowledged(epoch, BOUND);
        let (behind, ()) = tokio::join!(asked, async { drop(gone) });
        assert_eq!(behind, Err(Behind::Gateways(vec!["b".to_owned(), "c".to_owned()])));
        assert_eq!(began.elapsed(), BOUND, "one bound for all of them");
        assert_eq!(publisher.connected().len(), 2);
        slow.acknowledge(epoch + 1);
        publisher.acknowledged(epoch, BOUND).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_comes_late_gets_the_newest_and_only_that() {
        let publisher = Publisher::new(7);
        publisher.publish(revision(1));
        publisher.publish(revision(2));
        let mut late = publisher.subscribe("late".to_owned());
        let snapshot = late.next().await.unwrap();
        assert_eq!((snapshot.manager, snapshot.epoch, snapshot.revision), (7, 2, 2));
    }

    #[tokio::test]
    async fn epochs_go_on_from_those_of_an_earlier_manager() {
        let publisher = Publisher::new(7);
        publisher.pass(40);
        assert_eq!(publisher.publish(revision(1)), 41, "also before the first snapshot");
        let mut subscriber = publisher.subscribe("a".to_owned());
        publisher.pass(90);
        let snapshot = subscriber.next().await.unwrap();
        assert_eq!((snapshot.epoch, snapshot.revision), (91, 1), "the same under a new epoch");
        publisher.pass(50);
        assert_eq!(publisher.publish(revision(2)), 92);
    }
}
