use serde::{Deserialize, Serialize};

use crate::{docker, process};

/// What finds a running engine again, also after a restart of the manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "runtime", rename_all = "kebab-case")]
pub enum Handle {
    /// A local process.
    Process(process::Handle),
    /// A container.
    Docker(docker::Handle),
}

// === impl Handle ===

impl Handle {
    /// The container, if it is one.
    pub const fn as_container(&self) -> Option<&docker::Handle> {
        match self {
            Self::Docker(container) => Some(container),
            Self::Process(_) => None,
        }
    }
}
