use std::io;
use std::path::PathBuf;

use crate::cache::CacheError;

/// A model cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The environment forbids it.
    #[error("HF_HUB_OFFLINE is set, so nothing is fetched: unset it for this command")]
    Offline,
    /// Nobody answers.
    #[error("{host} cannot be reached: {why}; check the network, or name a mirror with HF_ENDPOINT")]
    Unreachable {
        /// Who.
        host: String,
        /// What happened last.
        why: String,
    },
    /// Its conditions have to be accepted first.
    #[error("{repository} is gated: {advice}")]
    Gated {
        /// What.
        repository: String,
        /// What to do.
        advice: String,
    },
    /// It is not there, or not for everybody.
    #[error("{repository} is not at {endpoint}, or is private: {advice}")]
    NotFound {
        /// What.
        repository: String,
        /// Where.
        endpoint: String,
        /// What to do.
        advice: &'static str,
    },
    /// It has no such revision.
    #[error(
        "{repository} has no revision {revision}: its branches and tags are shown at {endpoint}/{repository}/tree/main"
    )]
    NoRevision {
        /// What.
        repository: String,
        /// Which.
        revision: String,
        /// Where.
        endpoint: String,
    },
    /// Nothing of it was asked for.
    #[error("no file of {repository} fits what was asked for; it has: {some}")]
    NothingFits {
        /// What.
        repository: String,
        /// Some of its files.
        some: String,
    },
    /// It answers that it cannot, time and again.
    #[error("{host} answers {status} to everything{asked}; try again later, what was fetched is kept")]
    Refused {
        /// Who.
        host: String,
        /// HTTP status.
        status: u16,
        /// What was asked, if that helps.
        asked: String,
    },
    /// What it says makes no sense.
    #[error("{host} does not answer as a hub: {why}; is HF_ENDPOINT right, and no proxy or login page in between?")]
    NotAHub {
        /// Who.
        host: String,
        /// What is odd.
        why: String,
    },
    /// It names a file so that it would end up elsewhere.
    #[error("{repository} lists a file named `{name}`, which is refused: {why}; nothing was fetched")]
    UnfitFile {
        /// What.
        repository: String,
        /// The name, fit to be shown.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// What came is not what was announced.
    #[error("{file} arrived broken: {why}; nothing of it was kept, try again")]
    Broken {
        /// Its path.
        file: String,
        /// What differs.
        why: String,
    },
    /// There is no room.
    #[error(
        "{} has {} free, {} are needed: free space there (`enginehouse hub list` shows what models take), or \
         set HF_HOME to another disk", path.display(), size(*available), size(*needed)
    )]
    NoRoom {
        /// The cache.
        path: PathBuf,
        /// Bytes.
        needed: u64,
        /// Bytes.
        available: u64,
    },
    /// The disk got full meanwhile.
    #[error(
        "the disk with {} is full: free space there (`enginehouse hub list` shows what models take) and pull again; what was \
         fetched is kept", path.display()
    )]
    Full {
        /// What was written.
        path: PathBuf,
    },
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

// === impl HubError ===

impl HubError {
    /// From what the system said of a file of the cache.
    pub(crate) fn io(path: impl Into<PathBuf>, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path: path.into() },
            _ => Self::Cache(CacheError::Io { path: path.into(), cause }),
        }
    }
}

/// As `12.3 GiB`.
fn size(bytes: u64) -> String {
    let mebibytes = bytes >> 20;
    if mebibytes < 1 << 10 {
        return format!("{mebibytes} MiB");
    }
    format!("{}.{} GiB", mebibytes >> 10, ((mebibytes % (1 << 10)) * 10) >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_told_in_units_of_disks() {
        let error = HubError::NoRoom { path: "/models".into(), needed: 16_060_522_496, available: 700 << 20 };
        let text = error.to_string();
        assert!(text.starts_with("/models has 700 MiB free, 14.9 GiB are needed: free space"), "{text}");
    }
}
