use std::io;
use std::sync::Arc;

use super::Recovered;
use crate::frame::Seal;
use crate::header::{Block, DATA_START};
use crate::scan::{self, Piece};
use crate::segment::SegmentFile;
use crate::spool::Slot;
use crate::{Event, Position, Record};

/// Why the spool could not be added up.
#[derive(Debug, thiserror::Error)]
pub enum SpentError {
    /// The disk refused.
    #[error("cannot read segment {segment} of the spool: {source}")]
    Read {
        /// Ordinal of the segment.
        segment: u64,
        /// What the system said.
        source: io::Error,
    },
    /// It was drained and written anew since the books were opened.
    #[error("segment {0} of the spool was drained meanwhile; take a newer position and what it includes")]
    Reused(u64),
}

/// A segment as it was when the books were opened.
#[derive(Debug)]
pub(super) struct Readable {
    file: Arc<SegmentFile>,
    seal: Seal,
    tail: u64,
}

// === impl Readable ===

impl Readable {
    pub(super) fn new(slot: &Slot) -> Self {
        Self { file: slot.file.clone(), seal: slot.seal, tail: slot.tail }
    }

    fn read(&self, buffer: &mut Vec<u8>) -> Result<(), SpentError> {
        let segment = self.seal.segment;
        let failed = |source| SpentError::Read { segment, source };
        self.file.read_whole(buffer).map_err(failed)?;
        buffer.truncate(usize::try_from(self.tail).unwrap_or(usize::MAX));
        match self.file.header().map_err(failed)? {
            Block::Valid(header) if header.seal == self.seal => Ok(()),
            _ => Err(SpentError::Reused(segment)),
        }
    }
}

// === impl Recovered ===

impl Recovered {
    /// Visits every event between `position` and the opening of the books: add what they cost to aggregates that include
    /// everything before `position` (the default position: everything that is still in the spool).
    ///
    /// Reads the disk. Call it before the drain runs on: once that has passed `position`, segments are used again.
    pub fn visit(&self, position: Position, mut visit: impl FnMut(Event)) -> Result<(), SpentError> {
        let mut bytes = Vec::new();
        for segment in self.segments.iter().filter(|readable| readable.seal.segment >= position.segment) {
            segment.read(&mut bytes)?;
            scan::walk(segment.seal, &bytes, DATA_START, |piece| {
                if let Piece::Record { at, payload } = piece
                    && at >= position
                    && let Ok(Some(event)) = Record::event(payload)
                {
                    visit(event);
                }
            });
        }
        Ok(())
    }
}
