use std::net::IpAddr;
use std::sync::Arc;

use store::By;

/// Who asked for a change: a name, and how they got in. Cheap to clone.
///
/// The admin API's handlers take it as an `Extension`; whoever let the request in put it there. It goes with the change to
/// the transaction that makes it, which writes it into the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actor(Arc<Identity>);

#[derive(Debug, PartialEq, Eq)]
struct Identity {
    name: String,
    via: Via,
    remote: Option<String>,
}

/// How somebody got in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// The control socket, which file permissions guard.
    Socket,
    /// The master key at the client port, by LiteLLM's paths.
    Litellm,
    /// The master key at the admin port.
    MasterKey,
    /// Not at all: it is the manager itself.
    Itself,
}

// === impl Actor ===

impl Actor {
    fn new(name: impl Into<String>, via: Via, remote: Option<IpAddr>) -> Self {
        Self(Arc::new(Identity { name: name.into(), via, remote: remote.map(|address| address.to_string()) }))
    }

    /// Who can open the control socket.
    pub(crate) fn owner() -> Self {
        Self::new("owner", Via::Socket, None)
    }

    /// A holder of the master key at the client port.
    pub(crate) fn litellm() -> Self {
        Self::new("master", Via::Litellm, None)
    }

    /// A holder of the master key at the admin port.
    pub(crate) fn master(remote: Option<IpAddr>) -> Self {
        Self::new("master", Via::MasterKey, remote)
    }

    /// The manager itself, from the projection of an empty store.
    pub(crate) fn import() -> Self {
        Self::new("import", Via::Itself, None)
    }

    /// The manager itself, because housekeeping was due.
    pub(crate) fn schedule() -> Self {
        Self::new("schedule", Via::Itself, None)
    }

    /// The manager itself, because an atomic apply failed.
    pub(crate) fn rollback() -> Self {
        Self::new("rollback", Via::Itself, None)
    }

    /// The word in revisions and audit: `owner`, `master`, an account's name, `token:<name>` ...
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// As the audit names them.
    pub(crate) fn by(&self) -> By<'_> {
        By { actor: &self.0.name, via: self.0.via.as_str(), remote: self.0.remote.as_deref() }
    }
}

// === impl Via ===

impl Via {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Litellm => "litellm",
            Self::MasterKey => "master-key",
            Self::Itself => "itself",
        }
    }
}
