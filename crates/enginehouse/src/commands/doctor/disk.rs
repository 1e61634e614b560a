use std::path::Path;

use super::Check;
use crate::home::Home;

const NAME: &str = "disk";
const GUIDE: &str = "operations.md#disk";
/// Below this the store and the books soon cannot be written.
const TOO_LITTLE: u64 = 256 << 20;
/// Below this a single engine's log or image can fill the disk.
const LITTLE: u64 = 5 << 30;

/// Whether there is room on the disk of the home.
pub(super) fn check(home: &Home) -> Check {
    match rustix::fs::statvfs(existing(home.path())) {
        Ok(disk) => judge(disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(error) => Check::warn(NAME, format!("free space is unknown: {error}"), "look with `df`", GUIDE),
    }
}

fn judge(free: u64) -> Check {
    let shown = format!("{:.1} GiB free for the home", precise(free) / precise(1 << 30));
    match free {
        ..TOO_LITTLE => {
            Check::fail(NAME, shown, "make room: requests are refused when the books cannot be written", GUIDE)
        }
        TOO_LITTLE..LITTLE => Check::warn(NAME, shown, "make room before it runs out", GUIDE),
        _ => Check::ok(NAME, shown),
    }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn precise(bytes: u64) -> f64 {
    bytes as f64
}

/// The folder itself, or the nearest one above it that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn room_is_judged() {
        assert_eq!(judge(10 << 20).verdict, Verdict::Fail);
        assert_eq!(judge(1 << 30).verdict, Verdict::Warn);
        assert_eq!(judge(80 << 30).verdict, Verdict::Ok);
        assert!(judge(80 << 30).message.starts_with("80.0 GiB"));
    }

    #[test]
    fn a_home_that_is_not_there_is_judged_by_its_disk() {
        assert_eq!(existing(Path::new("/nowhere/at/all")), Path::new("/"));
    }
}
