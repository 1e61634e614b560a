use std::net::IpAddr;
use std::sync::Arc;

use snapshot::KeyHash;
use store::By;

use crate::access::{Access, Role};

/// Who asked for a change: a name, what they may do, and how they got in. Cheap to clone.
///
/// The admin API's handlers take it as an `Extension`; whoever let the request in put it there. It goes with the change to
/// the transaction that makes it, which writes it into the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actor(Arc<Identity>);

#[derive(Debug, PartialEq, Eq)]
struct Identity {
    name: String,
    access: Access,
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
    /// The master key at the admin port; its hash.
    MasterKey(KeyHash),
    /// An API token at the admin port; its hash.
    Token(KeyHash),
    /// A name and a password at the admin port; the hash of the session that they began.
    Session(KeyHash),
    /// Not at all: it is the manager itself.
    Itself,
}

// === impl Actor ===

impl Actor {
    /// Names that no account can have: they are others' already.
    pub(crate) const RESERVED: [&'static str; 8] =
        ["owner", "master", "import", "rollback", "environment", "schedule", "reconciler", "unknown"];

    fn new(name: impl Into<String>, access: Access, via: Via, remote: Option<IpAddr>) -> Self {
        Self(Arc::new(Identity { name: name.into(), access, via, remote: remote.map(|address| address.to_string()) }))
    }

    fn itself(name: &str) -> Self {
        Self::new(name, Access::all(), Via::Itself, None)
    }

    /// Who can open the control socket.
    pub(crate) fn owner() -> Self {
        Self::new("owner", Access::all(), Via::Socket, None)
    }

    /// A holder of the master key at the client port.
    pub(crate) fn litellm() -> Self {
        Self::new("master", Access::all(), Via::Litellm, None)
    }

    /// A holder of the master key at the admin port.
    pub(crate) fn master(key: KeyHash, remote: Option<IpAddr>) -> Self {
        Self::new("master", Access::all(), Via::MasterKey(key), remote)
    }

    /// Who logged in.
    pub(crate) fn account(name: &str, role: Role, session: KeyHash, remote: Option<IpAddr>) -> Self {
        Self::new(name, Access::of(role), Via::Session(session), remote)
    }

    /// A holder of an API token.
    pub(crate) fn token(name: &str, access: Access, token: KeyHash, remote: Option<IpAddr>) -> Self {
        Self::new(format!("token:{name}"), access, Via::Token(token), remote)
    }

    /// The manager itself, from the projection of an empty store.
    pub(crate) fn import() -> Self {
        Self::itself("import")
    }

    /// The manager itself, because housekeeping was due.
    pub(crate) fn schedule() -> Self {
        Self::itself("schedule")
    }

    /// The manager itself, because an engine needs it.
    pub(crate) fn reconciler() -> Self {
        Self::itself("reconciler")
    }

    /// The manager itself, because an atomic apply failed.
    pub(crate) fn rollback() -> Self {
        Self::itself("rollback")
    }

    /// The manager itself, at a start, from what its environment holds or lacks.
    pub(crate) fn environment() -> Self {
        Self::itself("environment")
    }

    /// The word in revisions and audit: `owner`, `master`, an account's name, `token:<name>` ...
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// What they may do.
    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }

    /// How they got in.
    pub(crate) fn via(&self) -> Via {
        self.0.via
    }

    /// As the audit names them.
    pub(crate) fn by(&self) -> By<'_> {
        By { actor: &self.0.name, via: self.0.via.as_str(), remote: self.0.remote.as_deref() }
    }
}

// === impl Via ===

impl Via {
    /// The word in the audit.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Litellm => "litellm",
            Self::MasterKey(_) => "master-key",
            Self::Token(_) => "token",
            Self::Session(_) => "session",
            Self::Itself => "itself",
        }
    }
}
