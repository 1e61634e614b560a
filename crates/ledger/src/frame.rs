//! How one record lies in a segment.
//!
//! `length: u32 LE | CRC32C: u32 LE | payload | zeros up to a multiple of 8`. The checksum also covers the segment's
//! ordinal, the salt of its life and the offset, so that a record is valid only where and when it was written: not
//! after its segment was reused, nor copied elsewhere. A length with the top bit set is a *filler*: that many bytes to skip,
//! left by recovery where something was damaged.

use serde::{Deserialize, Serialize};

/// Frames start at multiples of this.
pub(crate) const ALIGN: u64 = 8;
/// The longest frame. The longest record that the bounds on names allow is well below.
pub(crate) const MAX_FRAME: u64 = 4096;

const PREFIX: usize = 8;
const FILLER: u32 = 1 << 31;

/// What every checksum of one life of a segment is mixed with. The default belongs to a segment never written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seal {
    /// Ordinal of this life among all lives of all segments, from 1.
    pub(crate) segment: u64,
    /// Random: a power cut can lose a header but not its records, and then the ordinal comes again.
    pub(crate) salt: u64,
}

/// A valid frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The encoded record; nothing for a filler.
    pub(crate) payload: Option<&'a [u8]>,
    /// Bytes to the next frame.
    pub(crate) size: u64,
}

// === impl Seal ===

impl Seal {
    fn checksum(self, offset: u64, length: u32, payload: &[u8]) -> u32 {
        let mut place = [0; 28];
        place[..8].copy_from_slice(&self.segment.to_le_bytes());
        place[8..16].copy_from_slice(&self.salt.to_le_bytes());
        place[16..24].copy_from_slice(&offset.to_le_bytes());
        place[24..].copy_from_slice(&length.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c(&place), payload)
    }

    /// Completes a frame made by [`encode`] for the place where it will be written.
    pub(crate) fn close(self, frame: &mut [u8], payload: usize, offset: u64) {
        let length = u32::try_from(payload).unwrap_or(0);
        let checksum = self.checksum(offset, length, &frame[PREFIX..PREFIX + payload]);
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame[4..PREFIX].copy_from_slice(&checksum.to_le_bytes());
    }

    /// A filler of `size` bytes (a multiple of 8) for `offset`: the first bytes to write there.
    pub(crate) fn filler(self, size: u32, offset: u64) -> [u8; PREFIX] {
        let length = FILLER | size;
        let mut frame = [0; PREFIX];
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame[4..].copy_from_slice(&self.checksum(offset, length, &[]).to_le_bytes());
        frame
    }

    /// The frame at the start of `bytes`, which lie at `offset` in the segment; `None` if there is no valid one.
    pub(crate) fn read(self, bytes: &[u8], offset: u64) -> Option<Frame<'_>> {
        let (length, rest) = split_u32(bytes)?;
        let (checksum, rest) = split_u32(rest)?;
        if length & FILLER != 0 {
            let size = u64::from(length & !FILLER);
            let sound = size > 0 && size.is_multiple_of(ALIGN) && checksum == self.checksum(offset, length, &[]);
            return sound.then_some(Frame { payload: None, size });
        }
        let size = frame_size(u64::from(length));
        if length == 0 || size > MAX_FRAME {
            return None;
        }
        let payload = rest.get(..usize::try_from(length).ok()?)?;
        (checksum == self.checksum(offset, length, payload)).then_some(Frame { payload: Some(payload), size })
    }
}

/// Replaces `buffer` by a frame that holds `record`, to be completed by [`Seal::close`]; returns the payload's length.
pub(crate) fn encode(buffer: &mut Vec<u8>, record: &impl Serialize) -> Result<usize, postcard::Error> {
    let mut frame = std::mem::take(buffer);
    frame.clear();
    frame.extend_from_slice(&[0; PREFIX]);
    *buffer = postcard::to_extend(record, frame)?;
    let payload = buffer.len() - PREFIX;
    buffer.resize(buffer.len().next_multiple_of(8), 0);
    Ok(payload)
}

/// Bytes that a payload of this length takes in a segment.
pub(crate) const fn frame_size(payload: u64) -> u64 {
    (PREFIX as u64 + payload).next_multiple_of(ALIGN)
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*head), rest))
}

#[cfg(test)]
mod tests;
