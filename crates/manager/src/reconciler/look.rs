//! A look at the model of a replica before it starts: whether it is here, and fits its GPUs. Its files may lie on a disk that is
//! slow or hangs, and a pass has others to see to: what takes longer goes on by itself, and a later pass hears of it.

use std::time::Duration;

use hub::Presence;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Desired;
use super::replica::{Phase, Step};
use crate::Manager;
use crate::hub::Need;

/// How long a pass waits for all of its looks together.
const PATIENCE: Duration = Duration::from_secs(1);
/// Looks that run at once: each has a thread for as long as its disk takes.
pub(crate) const AT_ONCE: usize = 16;

/// What is seen of a model.
#[derive(Clone, Debug)]
pub(super) enum Look {
    /// It is here, or nobody has to see to that, and nothing is against it.
    Fine,
    /// It is not here, or not all of it.
    Absent(Box<Need>),
    /// It cannot run on its GPUs, or nobody can tell what it is.
    Unfit(String),
}

/// What was seen when nobody waited for it any more.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    /// What the replica was to be started from.
    spec_hash: String,
    look: Look,
}

/// The looks of one pass.
#[derive(Debug)]
pub(super) struct Looks {
    left: Duration,
}

// === impl Looks ===

impl Default for Looks {
    fn default() -> Self {
        Self { left: PATIENCE }
    }
}

// === impl Manager ===

impl Manager {
    /// Looks at the model of a replica that is to start; none where that takes longer than the pass waits.
    pub(super) async fn look(&self, desired: &Desired, looks: &mut Looks) -> Option<Look> {
        let earlier = self.inner().fleet.update(&desired.id, |replica| replica.look.take());
        if let Some(earlier) = earlier.filter(|earlier| earlier.spec_hash == desired.spec_hash) {
            return Some(earlier.look);
        }
        let (send, mut receive) = oneshot::channel();
        let (manager, own) = (self.clone(), desired.clone());
        self.spawn(async move {
            // Kept until the disk has answered, whoever waits for that: its thread is taken for so long.
            let Ok(_place) = manager.inner().looks.acquire().await else { return };
            let _ = send.send(manager.look_at(&own).await);
        });
        let began = Instant::now();
        let seen = timeout(looks.left, &mut receive).await;
        looks.left = looks.left.saturating_sub(began.elapsed());
        if let Ok(seen) = seen {
            return seen.ok();
        }
        self.look_on(desired.clone(), receive);
        None
    }

    /// Waits for a look in a task of its own.
    fn look_on(&self, desired: Desired, receive: oneshot::Receiver<Look>) {
        tracing::warn!(replica = desired.id, "the disk with its model is slow; it starts once that has answered");
        self.begin_start(&desired);
        let abandon = CancellationToken::new();
        self.inner().fleet.update(&desired.id, |replica| {
            let reason = "the files of its model are looked at, and their disk is slow".to_owned();
            replica.phase = Phase::Preparing { step: Step::Waiting { reason } };
            replica.preparation = Some(abandon.clone());
            replica.is_fetching = true;
        });
        let manager = self.clone();
        self.spawn(async move {
            let seen = abandon.run_until_cancelled(receive).await;
            manager.inner().fleet.update(&desired.id, |replica| {
                (replica.preparation, replica.is_fetching) = (None, false);
                replica.phase = Phase::Pending;
                if let Some(Ok(look)) = seen {
                    replica.look = Some(Looked { spec_hash: desired.spec_hash.clone(), look });
                }
            });
            manager.inner().nudge.notify_one();
        });
    }

    async fn look_at(&self, desired: &Desired) -> Look {
        match self.need(desired) {
            Ok(Some(need)) if self.is_missing(desired, &need).await => return Look::Absent(Box::new(need)),
            Ok(_) => {}
            Err(reason) => return Look::Unfit(reason),
        }
        // Its model is here by now, so more is known than when it was applied.
        self.too_large(desired).await.map_or(Look::Fine, Look::Unfit)
    }

    async fn is_missing(&self, desired: &Desired, need: &Need) -> bool {
        let was_fetched = self.inner().fleet.with(|replicas| {
            replicas.get(&desired.id).is_some_and(|replica| replica.fetched.as_ref() == Some(&desired.spec_hash))
        });
        match need.presence().await {
            Presence::Whole { .. } => false,
            // What we judge by is a guess; the Hub's own list is none.
            Presence::Partial { .. } if was_fetched => false,
            Presence::Partial { missing } => {
                tracing::info!(replica = desired.id, model = %need.repository, missing, "model is not whole in the cache");
                true
            }
            Presence::Absent => true,
        }
    }
}
