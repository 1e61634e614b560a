use std::time::SystemTime;

use ambient::{Clock, Timestamp};

use super::Check;
use crate::home::Home;

const NAME: &str = "clock";
const GUIDE: &str = "operations.md#clock";
/// The clock of a machine that runs this cannot stand before 2026-01-01.
const EARLIEST: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// A file's time may differ from the clock by this much: file systems round, network disks have clocks of their own.
const TOLERANCE_SECS: i64 = 5;

/// Whether the clock can be right: days of usage, budgets and the expiry of keys hang on it.
pub(super) fn check(home: &Home) -> Check {
    let now = Clock::system().now();
    if now < EARLIEST {
        return Check::fail(
            NAME,
            format!("it says {now}, which cannot be"),
            "set it: `timedatectl set-ntp true`",
            GUIDE,
        );
    }
    match file_time(home) {
        Some(written) if (written.as_secs() - now.as_secs()).abs() > TOLERANCE_SECS => {
            let message = format!("it says {now}, but a file just written in the home says {written}");
            Check::warn(NAME, message, "let the machine and its file server take the time from the same source", GUIDE)
        }
        _ => Check::ok(NAME, now.to_string()),
    }
}

/// The time that the file system gives to a file written now.
fn file_time(home: &Home) -> Option<Timestamp> {
    let probe = tempfile_in(home)?;
    let modified = probe.metadata().ok()?.modified().ok()?;
    let since_epoch = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).ok()?))
}

fn tempfile_in(home: &Home) -> Option<std::fs::File> {
    use std::io::Write as _;
    let path = home.path().join(format!(".doctor-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).ok()?;
    let written = file.write_all(b"x");
    let _ = std::fs::remove_file(&path);
    written.ok().map(|()| file)
}
