use std::sync::Arc;

use ambient::Timestamp;

use crate::{GatewayId, Position};

/// How far the drain is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainStatus {
    /// Whose spool is drained, once there is one.
    pub gateway: Option<GatewayId>,
    /// What the sink includes: everything before this.
    pub committed: Option<Position>,
    /// Bytes of the spool behind `committed`, as far as they are known to be on disk; all of it until the sink has said
    /// where it is.
    pub lagging_bytes: u64,
    /// Events that are read and wait for the sink; those not yet read are not counted.
    pub waiting_events: usize,
    /// Why the last step failed; `None` once one has succeeded again.
    pub last_error: Option<Arc<str>>,
    /// When the drain last found the sink up to date or brought it there.
    pub last_success: Option<Timestamp>,
}
