//! Walking over the frames of one whole segment, across damage.

use crate::Position;
use crate::frame::{ALIGN, Seal};

/// What lies in a segment, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A record, still encoded.
    Record { at: Position, payload: &'a [u8] },
    /// Bytes that hold no valid frame, with valid ones behind them.
    Gap { at: Position, bytes: u64 },
}

/// Visits every valid record from offset `start` of a segment, whose bytes these are from its very beginning.
/// Returns where the last valid frame ends.
///
/// What lies behind that is not damage by itself: nothing, or records of an earlier life of the segment.
pub(crate) fn walk<'a>(seal: Seal, segment: &'a [u8], start: u64, mut visit: impl FnMut(Piece<'a>)) -> u64 {
    let mut offset = start;
    loop {
        let at = Position { segment: seal.segment, offset };
        if let Some((payload, size)) = frame_at(seal, segment, offset) {
            if let Some(payload) = payload {
                visit(Piece::Record { at, payload });
            }
            offset += size;
        } else if let Some(next) = next_frame(seal, segment, offset) {
            visit(Piece::Gap { at, bytes: next - offset });
            offset = next;
        } else {
            return offset;
        }
    }
}

/// The payload (nothing for a filler) and size of the frame at `offset`, if it is valid and wholly there.
fn frame_at(seal: Seal, segment: &[u8], offset: u64) -> Option<(Option<&[u8]>, u64)> {
    let bytes = segment.get(usize::try_from(offset).ok()?..)?;
    let frame = seal.read(bytes, offset)?;
    (frame.size <= bytes.len() as u64).then_some((frame.payload, frame.size))
}

fn next_frame(seal: Seal, segment: &[u8], damaged: u64) -> Option<u64> {
    let mut offset = damaged + ALIGN;
    while offset < segment.len() as u64 {
        if frame_at(seal, segment, offset).is_some() {
            return Some(offset);
        }
        offset += ALIGN;
    }
    None
}

#[cfg(test)]
mod tests;
