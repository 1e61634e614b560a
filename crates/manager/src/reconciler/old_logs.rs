use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use runtime::log_file::aside;

use super::desired;
use super::launch::log_file;
use crate::Manager;

/// How long the log of an engine stays that is not wanted any more: 7 days, for who asks what it died of.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

// === impl Manager ===

impl Manager {
    /// Removes the logs of engines that are long gone.
    pub(super) async fn remove_old_logs(&self) {
        let config = self.config();
        let wanted = desired(&self.current().document, &config.env).into_iter().map(|desired| desired.id);
        let known = wanted.chain(self.inner().fleet.views().into_keys());
        let known = known.map(|id| log_file(&config.home, &id)).flat_map(|path| [aside(&path), path]).collect();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(config.clock.now().as_secs().try_into().unwrap_or(0));
        let (folder, before) = (config.home.logs(), now.checked_sub(KEPT).unwrap_or(SystemTime::UNIX_EPOCH));
        let removed = tokio::task::spawn_blocking(move || remove(&folder, &known, before)).await;
        match removed {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(count)) => tracing::info!(count, "logs of engines that are gone were removed"),
            Ok(Err(error)) => tracing::warn!(%error, "logs of engines that are gone cannot be removed"),
        }
    }
}

/// Removes logs that belong to none of `known` and were last written to before a moment; how many.
fn remove(folder: &Path, known: &HashSet<PathBuf>, before: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let is_log = path.to_string_lossy().ends_with(".log") || path.to_string_lossy().ends_with(".log.1");
        let is_old = || entry.metadata().and_then(|found| found.modified()).is_ok_and(|at| at < before);
        if is_log && !known.contains(&path) && is_old() {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_logs_of_engines_that_are_gone_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["gone-0.log", "gone-0.log.1", "known-0.log", "known-0.log.1", "note.txt"] {
            fs::write(path(name), "x").unwrap();
        }
        let known = HashSet::from([path("known-0.log"), path("known-0.log.1")]);
        let written = fs::metadata(path("gone-0.log")).and_then(|found| found.modified()).unwrap();
        let later = written + Duration::from_secs(60);
        assert_eq!(remove(folder.path(), &known, later - KEPT).unwrap(), 0, "they are of today");
        assert_eq!(remove(folder.path(), &known, later).unwrap(), 2);
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["known-0.log", "known-0.log.1", "note.txt"]);
    }
}
