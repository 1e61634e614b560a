//! The first bytes of a segment: a header, written once for every life of the segment, and a note, rewritten often.
//!
//! They lie in sectors of their own, so that a torn note cannot harm the header. Both are postcard with a checksum.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::GatewayId;
use crate::frame::Seal;

/// Where the records begin.
pub(crate) const DATA_START: u64 = 1024;
/// Where the note lies.
pub(crate) const NOTE_AT: u64 = 512;

const MAGIC: &[u8; 8] = b"EHSPOOL\0";
const VERSION: u32 = 1;
/// Bytes of an encoded block, header or note, at most.
pub(crate) const BLOCK: usize = 128;

/// Names the life that a segment is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) gateway: GatewayId,
    pub(crate) seal: Seal,
    /// No sequence from this one on was given away before this life began.
    pub(crate) first_sequence: u64,
}

/// What had reached the disk when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The life of the segment that it was written in.
    pub(crate) seal: Seal,
    /// Where the records that are safe on disk end.
    pub(crate) tail: u64,
    /// Sequence of the next request.
    pub(crate) next_sequence: u64,
    /// Segments below this ordinal are drained and hold no running request.
    pub(crate) floor: u64,
}

/// What the first bytes of a segment file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block<T> {
    /// Never written.
    Blank,
    Valid(T),
    /// Written by another version of this program.
    Foreign(u32),
    Damaged,
}

/// The block's bytes: magic, version, length, payload, checksum of all before.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, postcard::Error> {
    let payload = postcard::to_stdvec(value)?;
    let mut block = Vec::with_capacity(BLOCK);
    block.extend_from_slice(MAGIC);
    block.extend_from_slice(&VERSION.to_le_bytes());
    block.push(u8::try_from(payload.len()).map_err(|_| postcard::Error::SerializeBufferFull)?);
    block.extend_from_slice(&payload);
    block.extend_from_slice(&crc32c::crc32c(&block).to_le_bytes());
    Ok(block)
}

/// Reads what [`encode`] wrote at the start of `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Block<T> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Block::Blank;
    }
    try_decode(bytes).unwrap_or(Block::Damaged)
}

fn try_decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<Block<T>> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first()?;
    let payload = rest.get(..usize::from(*length))?;
    let checksum = rest.get(payload.len()..)?.first_chunk::<4>()?;
    let covered = MAGIC.len() + 4 + 1 + payload.len();
    if u32::from_le_bytes(*checksum) != crc32c::crc32c(bytes.get(..covered)?) {
        return None;
    }
    match u32::from_le_bytes(*version) {
        VERSION => postcard::from_bytes(payload).ok().map(Block::Valid),
        other => Some(Block::Foreign(other)),
    }
}
