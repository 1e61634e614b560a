//! In which order containers are made. Each is prepared in a task of its own, because an image may have to be pulled first; what
//! follows happens in the order in which a pass decided on it, which is that of the document.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// How long a container is held up by those before it: a daemon that hangs over one of them must not keep all others away.
const LONGEST: Duration = Duration::from_secs(60);

/// Those who wait for their turn, and whose it is. Bounded by the replicas.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    taken: AtomicU64,
    queue: Arc<watch::Sender<BTreeSet<u64>>>,
}

/// A place in the queue, given up with it.
#[derive(Debug)]
pub(super) struct Turn {
    number: u64,
    queue: Arc<watch::Sender<BTreeSet<u64>>>,
}

// === impl Turns ===

impl Turns {
    /// The last place.
    pub(super) fn take(&self) -> Turn {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        self.queue.send_modify(|queue| {
            queue.insert(number);
        });
        Turn { number, queue: self.queue.clone() }
    }
}

// === impl Turn ===

impl Turn {
    /// Lets all others by: something is waited for that may take long.
    pub(super) fn let_by(&self) {
        self.queue.send_modify(|queue| {
            queue.remove(&self.number);
        });
    }

    /// Until all who are before it are through, or let it by; not for ever.
    pub(super) async fn wait(&self) {
        let mut queue = self.queue.subscribe();
        let is_due =
            |queue: &BTreeSet<u64>| queue.range(..self.number).next().is_none() || !queue.contains(&self.number);
        // Its sender lives as long as this.
        let _ = tokio::time::timeout(LONGEST, queue.wait_for(is_due)).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.let_by();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn is_due(turn: &Turn) -> bool {
        turn.wait().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_the_order_in_which_they_were_taken() {
        let turns = Turns::default();
        let [first, second, third] = [(); 3].map(|()| turns.take());
        assert!(is_due(&first) && !is_due(&second) && !is_due(&third));
        second.let_by();
        assert!(is_due(&second), "who lets others by waits for nobody");
        assert!(!is_due(&third));
        drop(first);
        assert!(is_due(&third));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_for_ever() {
        let turns = Turns::default();
        let (_first, second) = (turns.take(), turns.take());
        let began = tokio::time::Instant::now();
        second.wait().await;
        assert_eq!(began.elapsed(), LONGEST);
    }
}
