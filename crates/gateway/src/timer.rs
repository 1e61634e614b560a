//! A timer for waits that nearly always end before their time.
//!
//! To set one of tokio's timers and to take it back costs more than many requests have to wait for. Here one timer is set
//! once; the next waits find it set already, for a time before theirs, and it is set anew only when it fires.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;
use tokio::time::Instant;

/// A timer for one wait at a time, again and again. Clones are the same timer.
#[derive(Clone, Debug, Default)]
pub(crate) struct LazyTimer(Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>);

/// Ends at its deadline.
#[derive(Debug)]
struct Until {
    deadline: Instant,
    timer: LazyTimer,
}

// === impl LazyTimer ===

impl LazyTimer {
    /// What `future` gives; none if that takes longer than `bound`. It is lent, because an `async fn` would hold what it is
    /// given twice, and these futures are large.
    pub(crate) async fn timeout<F: Future>(&self, bound: Duration, mut future: Pin<&mut F>) -> Option<F::Output> {
        let mut until = None;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let until = until.get_or_insert_with(|| self.until(Instant::now() + bound));
            Pin::new(until).poll(cx).map(|()| None)
        })
        .await
    }

    fn until(&self, deadline: Instant) -> Until {
        Until { deadline, timer: self.clone() }
    }
}

impl Timer for LazyTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.until(Instant::now() + duration))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.until(deadline.into()))
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into()
    }
}

// === impl Until ===

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.timer.0.lock();
        let sleep = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.deadline)));
        if sleep.deadline() > self.deadline {
            sleep.as_mut().reset(self.deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(self.deadline);
        }
    }
}

impl Sleep for Until {}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_wait_ends_at_its_own_time_whatever_was_set_before() {
        let timer = LazyTimer::default();
        for bound in [10, 3, 25, 1, 25].map(Duration::from_secs) {
            let began = Instant::now();
            // Given up early: the timer stays set.
            let early = timer.timeout(bound, pin!(sleep(bound / 2))).await;
            assert!(early.is_some() && began.elapsed() >= bound / 2);
            let began = Instant::now();
            assert!(timer.timeout(bound, pin!(pending::<()>())).await.is_none());
            assert_eq!(began.elapsed().as_secs(), bound.as_secs());
        }
        assert_eq!(timer.timeout(Duration::ZERO, pin!(ready(7))).await, Some(7), "what is there needs no time");
    }
}
