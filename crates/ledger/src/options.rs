use std::time::Duration;

use crate::header::DATA_START;
use crate::segment::MAX_SLOTS;

/// Fewest segments that a spool works with: one is written, one is drained.
const MIN_SEGMENTS: usize = 2;
/// Smallest segment: its header and a few of the longest records.
const MIN_SEGMENT_BYTES: u64 = 16 * 1024;
const MAX_SEGMENT_BYTES: u64 = 1 << 30;

const _: () = assert!(MIN_SEGMENT_BYTES > DATA_START);

/// How large the books are and what they do when they are full.
#[derive(Clone, Debug)]
pub struct Options {
    /// Segments of the spool, 2 to 1,024. More that lie on disk already are kept.
    pub segments: usize,
    /// Bytes of one segment, 16 KiB to 1 GiB; rounded down to a multiple of 8.
    pub segment_bytes: u64,
    /// Requests in flight at most; the next one is refused.
    pub max_outstanding: usize,
    /// Events kept in memory at most while the spool takes none ([`OnFull::Serve`]); later ones are counted as lost.
    pub max_unrecorded: usize,
    /// What to do when nothing can be written.
    pub on_full: OnFull,
    /// How often records are forced to the disk: what a power cut can cost.
    pub sync_every: Duration,
    /// Whether the files are copies of those that [`segment_files`](crate::segment_files) named, and known to be whole:
    /// those that it left out are no loss.
    pub is_copy: bool,
    /// Age of a running request's newest record at which it is restated.
    pub checkpoint_after: Duration,
}

/// What to do with a request when the spool takes no record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// Refuse it: nothing is served that is not in the books.
    #[default]
    Refuse,
    /// Serve it, and keep its event in bounded memory until the spool has room again.
    Serve,
}

// === impl Options ===

impl Options {
    /// What is wrong with these options, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        if !(MIN_SEGMENTS..=MAX_SLOTS).contains(&self.segments) {
            return Some(format!("{} segments; use {MIN_SEGMENTS} to {MAX_SLOTS}", self.segments));
        }
        if !(MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&self.segment_bytes) {
            return Some(format!(
                "segments of {} bytes; use {MIN_SEGMENT_BYTES} to {MAX_SEGMENT_BYTES}",
                self.segment_bytes
            ));
        }
        None
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segments: 16,
            segment_bytes: 8 << 20,
            max_outstanding: 65_536,
            max_unrecorded: 65_536,
            on_full: OnFull::Refuse,
            sync_every: Duration::from_millis(100),
            is_copy: false,
            checkpoint_after: Duration::from_secs(1),
        }
    }
}
