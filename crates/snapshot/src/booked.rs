use ledger::{GatewayId, Position};
use serde::{Deserialize, Serialize};

/// Up to where the sums of the store include what one gateway wrote down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booked {
    /// Whose spool.
    pub gateway: GatewayId,
    /// Everything before it is included.
    pub position: Position,
}
