use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::Snapshot;

/// A way from the manager to one gateway in the same process.
pub fn channel() -> (Publisher, Subscriber) {
    let (snapshots, incoming) = watch::channel(Arc::new(Snapshot::default()));
    let (acknowledge, acknowledged) = watch::channel(0);
    (Publisher { snapshots, acknowledged }, Subscriber { incoming, acknowledge })
}

/// The manager's end.
#[derive(Debug)]
pub struct Publisher {
    snapshots: watch::Sender<Arc<Snapshot>>,
    /// Epoch that the gateway serves from.
    acknowledged: watch::Receiver<u64>,
}

/// The gateway's end.
#[derive(Debug)]
pub struct Subscriber {
    incoming: watch::Receiver<Arc<Snapshot>>,
    acknowledge: watch::Sender<u64>,
}

/// The gateway did not acknowledge an epoch in time.
#[derive(Debug)]
pub struct Behind {
    /// The epoch that was published.
    pub epoch: u64,
}

// === impl Publisher ===

impl Publisher {
    /// Publishes `snapshot` under the next epoch, which is returned. Later snapshots replace earlier
    /// ones that were not read yet.
    pub fn publish(&self, mut snapshot: Snapshot) -> u64 {
        let mut epoch = 0;
        self.snapshots.send_modify(|current| {
            epoch = current.epoch + 1;
            snapshot.epoch = epoch;
            *current = Arc::new(snapshot);
        });
        epoch
    }

    /// Waits until the gateway serves from `epoch` or a later one.
    pub async fn acknowledged(&self, epoch: u64, bound: Duration) -> Result<(), Behind> {
        let mut seen = self.acknowledged.clone();
        let reached = seen.wait_for(|at| *at >= epoch);
        match tokio::time::timeout(bound, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Behind { epoch }),
        }
    }
}

// === impl Subscriber ===

impl Subscriber {
    /// The next snapshot that was not seen yet; none when the manager has gone.
    pub async fn next(&mut self) -> Option<Arc<Snapshot>> {
        self.incoming.changed().await.ok()?;
        Some(self.incoming.borrow_and_update().clone())
    }

    /// Tells the manager that `epoch` is served from now on.
    pub fn acknowledge(&self, epoch: u64) {
        self.acknowledge.send_replace(epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_epoch_is_acknowledged_or_reported_behind() {
        let (publisher, mut subscriber) = channel();
        let epoch = publisher.publish(Snapshot { revision: 3, ..Snapshot::default() });
        assert!(publisher.acknowledged(epoch, Duration::from_secs(1)).await.is_err());
        let snapshot = subscriber.next().await.unwrap();
        assert_eq!((snapshot.epoch, snapshot.revision), (epoch, 3));
        subscriber.acknowledge(snapshot.epoch);
        publisher.acknowledged(epoch, Duration::from_secs(1)).await.unwrap();
    }
}
