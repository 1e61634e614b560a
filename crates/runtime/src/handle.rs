use serde::{Deserialize, Serialize};

use crate::process;

/// What finds a running engine again, also after a restart of the manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "runtime", rename_all = "kebab-case")]
pub enum Handle {
    /// A local process.
    Process(process::Handle),
}
