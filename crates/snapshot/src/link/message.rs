use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::delta::Delta;
use crate::Snapshot;

/// Counts versions of the messages; both sides must have the same.
pub(super) const PROTOCOL: u32 = 1;

/// Bytes that a message to the manager may have.
pub(super) const MAX_TO_MANAGER: usize = 64 << 10;
/// Bytes that a message to a gateway may have: far more than any snapshot.
pub(super) const MAX_TO_GATEWAY: usize = 256 << 20;

/// What a gateway says. [`Hello`](Self::Hello) comes first and once, and never changes its shape but for new fields.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToManager {
    /// Who it is, and what it serves from.
    Hello {
        protocol: u32,
        /// Of the program.
        version: String,
        /// How messages name it.
        name: String,
        /// Which manager its snapshot is of; 0 if it has none.
        manager: u64,
        /// The epoch of its snapshot.
        epoch: u64,
    },
    /// It serves from this epoch.
    Serving { epoch: u64 },
    /// It cannot tell what it should serve from: the whole is to be sent again.
    Again,
}

/// What the manager says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToGateway {
    /// Answers every hello, and never changes its shape but for new fields.
    Welcome {
        protocol: u32,
        /// Of the program.
        version: String,
    },
    /// All that is to be served.
    Full(Arc<Snapshot>),
    /// What is different now.
    Delta(Box<Delta>),
    /// What is wrong with the store, if anything.
    Store { fault: Option<String> },
    /// Nothing happened for a while.
    Alive,
}
