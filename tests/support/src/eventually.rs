use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long the harness waits for anything: generous, because machines that run tests are busy. Nothing waits
/// this long unless it has failed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// Looks again and again until `look` sees something; what it saw. Panics with `what` after [`PATIENCE`].
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        sleep(POLL).await;
    }
}

/// Looks again and again until `condition` holds. Panics with `what` after [`PATIENCE`].
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || std::future::ready(condition().then_some(()))).await;
}
