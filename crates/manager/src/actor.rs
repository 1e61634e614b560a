/// Who asked for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Who can open the control socket.
    Owner,
    /// A holder of the master key.
    Master,
    /// The manager itself, from the projection of an empty store.
    Import,
    /// The manager itself, because an atomic apply failed.
    Rollback,
}

// === impl Actor ===

impl Actor {
    /// The word in revisions and audit.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Master => "master",
            Self::Import => "import",
            Self::Rollback => "rollback",
        }
    }
}
