use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::meter::{Account, Report};
use crate::route::Pick;
use crate::surface::Meter;
use crate::timer::LazyTimer;
use crate::upstream::{Answered, MaxBytes, Outbound, attempt};

/// Time to the first look, doubled after each up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Looks in a row that may fail.
const MAX_FAILURES: u32 = 10;

/// Waits until a response that an engine makes in the background has ended, and settles it then, whether its maker ever asks
/// for it or not. It counts as running all the while. `look` gets it; `max` bounds that.
///
/// Where its end cannot be seen (it was deleted, or the engine has gone), it is billed by what was set aside for it: else
/// deleting would be a way not to pay.
pub(crate) async fn settle_when_made(mut account: Account, look: Outbound, pick: Pick, max: MaxBytes) {
    let ends = Instant::now() + pick.deployment.deployment.timeouts.total;
    let (mut pause, mut failures, timer) = (FIRST_PAUSE, 0, LazyTimer::default());
    while failures < MAX_FAILURES && Instant::now() < ends {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match attempt(&look, &pick, max, &timer).await {
            Ok(Answered::Whole { answer, .. }) if answer.is_pending => failures = 0,
            Ok(Answered::Whole { answer, body, .. }) => {
                return account.completed(Report::of(&answer, &body, Meter::Generated));
            }
            Ok(_) => break,
            Err(_) => failures += 1,
        }
    }
    account.completed_unseen();
}
