use ambient::Timestamp;

/// What the sender of a change knows of the thing that is to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It does not matter.
    #[default]
    Whatever,
    /// One of these versions: the moments of changes.
    Versions(Vec<Timestamp>),
}

// === impl Seen ===

impl Seen {
    /// Whether the thing is still what was seen.
    pub(crate) fn is_still(&self, version: Timestamp) -> bool {
        match self {
            Self::Whatever => true,
            Self::Versions(seen) => seen.contains(&version),
        }
    }
}
