use std::time::Duration;

use ambient::Timestamp;
use runtime::docker::{Handle as Container, LogPosition};

use crate::Manager;

/// Pause before a log is copied on, after the daemon went away or the container ended.
const AGAIN: Duration = Duration::from_secs(1);

// === impl Manager ===

impl Manager {
    /// Copies what a container prints into the log of its replica, for as long as it is the replica's: so it is read,
    /// followed, bounded and kept in the same way as that of a process.
    pub(super) fn copy_log(&self, id: &str, container: Container, behind: Option<Timestamp>) {
        let (manager, id) = (self.clone(), id.to_owned());
        let mut position = behind.map(position).unwrap_or_default();
        self.spawn(async move {
            loop {
                let copied =
                    manager.runtimes().docker().copy_logs(&container.container, &container.log_file, &mut position);
                if let Err(error) = copied.await {
                    tracing::debug!(replica = id, %error, "the log of a container is not copied for now");
                }
                if !manager.has_container(&id, &container.container) {
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    /// Copies on what an earlier manager began with: behind the moment at which it wrote last.
    pub(super) fn copy_on(&self, id: &str, container: Container) {
        let written = std::fs::metadata(&container.log_file).and_then(|metadata| metadata.modified()).ok();
        let since = written.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let behind = since.and_then(|since| i64::try_from(since.as_micros()).ok()).map(Timestamp::from_micros);
        self.copy_log(id, container, behind);
    }

    fn has_container(&self, id: &str, container: &str) -> bool {
        self.inner().fleet.with(|replicas| {
            let process = replicas.get(id).and_then(|replica| replica.process.as_ref());
            process.and_then(|process| process.handle.as_container()).is_some_and(|own| own.container == container)
        })
    }
}

/// As Docker writes moments: always with nine digits behind the point.
fn position(moment: Timestamp) -> LogPosition {
    let micros = moment.as_micros();
    let time = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
    LogPosition::behind(format!("{time:.9}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_docker_writes_them() {
        let expected = LogPosition::behind("2026-11-21T16:20:15.120000000Z".to_owned());
        assert_eq!(position(Timestamp::from_micros(1_795_278_015_120_000)), expected);
    }
}
