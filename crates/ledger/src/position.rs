use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in one gateway's spool: everything before it is meant.
///
/// Segments are numbered for ever, so positions of one gateway only grow. The default lies before the first record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Ordinal of the segment.
    pub segment: u64,
    /// Bytes from the start of the segment.
    pub offset: u64,
}

// === impl Position ===

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}
