use serde::{Deserialize, Serialize};

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest<A> {
    /// What it is a backup of, as its maker says.
    pub about: A,
    /// Every part, in the order in which they stand.
    pub entries: Vec<Entry>,
}

/// One part as the manifest knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}
