//! The writing side of the spool: segments in use in the order of their ordinals, and free ones to go on with.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;

use ambient::{Rng, Timestamp};

use crate::frame::{self, MAX_FRAME, Seal};
use crate::header::{DATA_START, Header, Note};
use crate::record::Written;
use crate::segment::SegmentFile;
use crate::{GatewayId, Position};

/// Bytes that are written in one go at most, where not one record alone is longer.
const MAX_GROUP: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Spool {
    pub(crate) gateway: GatewayId,
    slots: Vec<Slot>,
    /// Slots that hold records still needed, by ascending ordinal; the last one is written to.
    used: VecDeque<usize>,
    /// Slots that can be written anew.
    free: VecDeque<usize>,
    /// Bytes that surely fit into these.
    free_bytes: u64,
    next_segment: u64,
    next_sequence: u64,
    rng: Rng,
    /// Segments below this ordinal are free.
    floor: u64,
    buffer: Vec<u8>,
    payload: usize,
    /// Frames that were appended to the segment written to, but not written yet: the last bytes before its tail.
    appended: Vec<u8>,
    /// Where each of them ends in `appended`.
    ends: Vec<usize>,
    /// Held as long as the spool is: no second gateway writes here.
    _lock: File,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) file: Arc<SegmentFile>,
    /// The life that the segment is in.
    pub(crate) seal: Seal,
    /// Where the next record goes.
    pub(crate) tail: u64,
    /// Running requests whose newest record lies here.
    live: usize,
    /// Whether something was written since the last time that it was forced to the disk.
    dirty: bool,
}

/// What the spool needs to go on where it was left: taken by recovery.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) gateway: GatewayId,
    pub(crate) slots: Vec<Slot>,
    pub(crate) used: VecDeque<usize>,
    pub(crate) free: VecDeque<usize>,
    pub(crate) next_segment: u64,
    pub(crate) next_sequence: u64,
    pub(crate) floor: u64,
    pub(crate) lock: File,
}

/// Something to force to the disk.
#[derive(Debug)]
pub(crate) struct Dirty {
    pub(crate) slot: usize,
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) note: Note,
}

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    #[error("no free segment is left in the spool")]
    Full,
    #[error("cannot encode a record: {0}")]
    Encode(#[from] postcard::Error),
    #[error("cannot write to the spool: {0}")]
    Write(#[from] io::Error),
}

// === impl Spool ===

impl Spool {
    pub(crate) fn new(found: Inventory, rng: Rng) -> Self {
        Self {
            gateway: found.gateway,
            free_bytes: found.free.iter().map(|slot| found.slots[*slot].surely()).sum(),
            slots: found.slots,
            used: found.used,
            free: found.free,
            next_segment: found.next_segment,
            next_sequence: found.next_sequence,
            rng,
            floor: found.floor,
            buffer: Vec::with_capacity(512),
            payload: 0,
            appended: Vec::new(),
            ends: Vec::new(),
            _lock: found.lock,
        }
    }

    /// A number for a request that no request had before.
    pub(crate) fn take_sequence(&mut self) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        sequence
    }

    /// Encodes `record` for [`Self::append`]; returns the bytes that it will take.
    pub(crate) fn encode(&mut self, record: Written<'_>) -> Result<u64, AppendError> {
        self.payload = frame::encode(&mut self.buffer, &record)?;
        Ok(self.buffer.len() as u64)
    }

    /// Whether [`Self::flush`] has to come before [`Self::append`]: all that was appended lies in one segment.
    pub(crate) fn must_flush(&self) -> bool {
        let is_large = self.appended.len() + self.buffer.len() > MAX_GROUP;
        !self.appended.is_empty() && (is_large || self.place().is_none())
    }

    /// Gives what was encoded last its place behind all others; returns the slot. [`Self::flush`] writes it.
    pub(crate) fn append(&mut self) -> Result<usize, AppendError> {
        let slot = match self.place() {
            Some(slot) => slot,
            None => self.roll()?,
        };
        let place = &mut self.slots[slot];
        place.seal.close(&mut self.buffer, self.payload, place.tail);
        place.tail += self.buffer.len() as u64;
        self.appended.extend_from_slice(&self.buffer);
        self.ends.push(self.appended.len());
        Ok(slot)
    }

    /// Writes all that was appended, in one go. Returns how many records are written now; the later ones, if it failed,
    /// are forgotten, and their places given to the next.
    pub(crate) fn flush(&mut self) -> (usize, io::Result<()>) {
        let Some(slot) = self.active() else { return (0, Ok(())) };
        let begin = self.written(slot);
        let place = &mut self.slots[slot];
        let (bytes, outcome) = place.file.write_most(&self.appended, begin);
        let whole = self.ends.partition_point(|end| *end <= bytes);
        place.tail = begin + whole.checked_sub(1).map_or(0, |last| self.ends[last] as u64);
        place.dirty |= bytes > 0;
        self.appended.clear();
        self.ends.clear();
        (whole, outcome)
    }

    /// The segment written to, if what was encoded last fits into it.
    fn place(&self) -> Option<usize> {
        self.active().filter(|slot| self.slots[*slot].remaining() >= self.buffer.len() as u64)
    }

    /// Where the records end that are written.
    fn written(&self, slot: usize) -> u64 {
        let appended = if self.active() == Some(slot) { self.appended.len() as u64 } else { 0 };
        self.slots[slot].tail - appended
    }

    /// Goes on to a free segment, when all that was appended is written.
    pub(crate) fn roll(&mut self) -> Result<usize, AppendError> {
        debug_assert!(self.appended.is_empty(), "a reader that sees the new segment takes the one before for finished");
        let slot = *self.free.front().ok_or(AppendError::Full)?;
        let seal = Seal { segment: self.next_segment, salt: u64::from_le_bytes(self.rng.bytes()) };
        let header = Header { gateway: self.gateway, seal, first_sequence: self.next_sequence };
        let place = &mut self.slots[slot];
        place.file.write_header(&header)?;
        (place.seal, place.tail, place.dirty) = (seal, DATA_START, true);
        self.next_segment += 1;
        self.free.pop_front();
        self.free_bytes -= self.slots[slot].surely();
        self.used.push_back(slot);
        Ok(slot)
    }

    fn active(&self) -> Option<usize> {
        self.used.back().copied()
    }

    /// Bytes that can surely still be written, whatever the sizes of the records: going on to a free segment leaves less
    /// than one record's worth of waste in the one before.
    pub(crate) fn usable(&self) -> u64 {
        let rest = self.active().map_or(0, |slot| self.slots[slot].remaining());
        rest + self.free_bytes
    }

    /// Whether less than half of the spool can still be written.
    pub(crate) fn is_half_full(&self) -> bool {
        2 * self.usable() < self.slots.iter().map(Slot::whole).sum()
    }

    /// Where the next record goes, at least.
    pub(crate) fn end(&self) -> Position {
        self.active().map_or_else(Position::default, |slot| Position {
            segment: self.segment(slot),
            offset: self.slots[slot].tail,
        })
    }

    /// Every segment that holds records still needed, by ascending ordinal.
    pub(crate) fn used(&self) -> impl Iterator<Item = &Slot> {
        self.used.iter().map(|slot| &self.slots[*slot])
    }

    /// Ordinal of the segment in a slot.
    pub(crate) fn segment(&self, slot: usize) -> u64 {
        self.slots[slot].segment()
    }

    /// Keeps the segment in `slot`: the newest record of a running request lies there.
    pub(crate) fn hold(&mut self, slot: usize) {
        self.slots[slot].live += 1;
    }

    /// Takes back one [`Self::hold`].
    pub(crate) fn unhold(&mut self, slot: usize) {
        self.slots[slot].live = self.slots[slot].live.saturating_sub(1);
    }

    /// The ordinal below which no segment is needed, when all before `released` is drained.
    pub(crate) fn floor(&self, released: Position) -> u64 {
        let needed = |slot: &&Slot| slot.live > 0 || slot.segment() >= released.segment;
        self.used().find(needed).or_else(|| self.used().last()).map_or(0, Slot::segment)
    }

    /// Whether segments would become free at this floor.
    pub(crate) fn would_free(&self, floor: u64) -> bool {
        self.used().next().is_some_and(|slot| slot.segment() < floor)
    }

    /// Frees the segments below `floor`.
    pub(crate) fn free_below(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        while let Some(slot) = self.used.front().copied().filter(|slot| self.segment(*slot) < floor) {
            self.used.pop_front();
            self.free.push_back(slot);
            self.free_bytes += self.slots[slot].surely();
        }
    }

    /// Segments written to since the last call, with what to note once they are on disk.
    pub(crate) fn take_dirty(&mut self) -> Vec<Dirty> {
        let dirty: Vec<usize> =
            self.used.iter().copied().filter(|slot| std::mem::take(&mut self.slots[*slot].dirty)).collect();
        dirty.into_iter().map(|slot| self.dirty(slot, self.floor)).collect()
    }

    /// The segment written to now, to note `floor` in, or the same floor as before.
    pub(crate) fn active_dirty(&self, floor: Option<u64>) -> Option<Dirty> {
        self.active().map(|slot| self.dirty(slot, floor.unwrap_or(self.floor)))
    }

    /// Marks as still to be forced to the disk.
    pub(crate) fn set_dirty(&mut self, slot: usize) {
        self.slots[slot].dirty = true;
    }

    /// Makes every write fail from now on, or work again.
    #[cfg(test)]
    pub(crate) fn set_broken(&self, broken: bool) {
        for slot in &self.slots {
            slot.file.faults.set_broken(broken);
        }
    }

    /// Makes the next write stop after so many bytes.
    #[cfg(test)]
    pub(crate) fn tear_next(&self, bytes: usize) {
        if let Some(slot) = self.active() {
            self.slots[slot].file.faults.tear_next(bytes);
        }
    }

    fn dirty(&self, slot: usize, floor: u64) -> Dirty {
        let place = &self.slots[slot];
        let note = Note { seal: place.seal, tail: self.written(slot), next_sequence: self.next_sequence, floor };
        Dirty { slot, file: place.file.clone(), note }
    }
}

// === impl Dirty ===

impl Dirty {
    /// Forces the records to the disk, and notes that they are there.
    pub(crate) fn settle(&self) -> io::Result<()> {
        self.file.sync()?;
        self.file.write_note(&self.note)
    }
}

// === impl Inventory ===

impl Inventory {
    /// For when records are gone that somebody may have seen: their numbers must not come again. Sequences go on from
    /// the microseconds of the clock, because no gateway counts as fast.
    pub(crate) fn leap(&mut self, now: Timestamp) {
        self.next_segment += self.slots.len() as u64;
        self.next_sequence = self.next_sequence.max(u64::try_from(now.as_micros()).unwrap_or(0));
    }
}

// === impl Slot ===

impl Slot {
    /// Marks `bytes` of damage as something to skip.
    pub(crate) fn fill(&mut self, offset: u64, bytes: u64) -> io::Result<()> {
        let size = u32::try_from(bytes).map_err(io::Error::other)?;
        self.dirty = true;
        self.file.write_at(&self.seal.filler(size, offset), offset)
    }

    /// Says that the records end at `tail`, which may be before what was noted.
    pub(crate) fn set_tail(&mut self, tail: u64) {
        self.dirty |= tail < self.tail;
        self.tail = tail;
    }

    pub(crate) fn new(file: SegmentFile, seal: Seal, tail: u64) -> Self {
        Self { file: Arc::new(file), seal, tail, live: 0, dirty: false }
    }

    /// Ordinal of the life that the segment is in; 0 before the first.
    pub(crate) fn segment(&self) -> u64 {
        self.seal.segment
    }

    /// Wipes what lies behind the tail, where `segment` is the whole content: torn records must not become whole again
    /// when only parts of later ones reach the disk.
    pub(crate) fn wipe_rest(&self, segment: &[u8]) -> io::Result<()> {
        let rest = usize::try_from(self.tail).ok().and_then(|tail| segment.get(tail..)).unwrap_or_default();
        match rest.iter().rposition(|byte| *byte != 0) {
            Some(last) => {
                self.file.write_at(&vec![0; last + 1], self.tail)?;
                self.file.sync()
            }
            None => Ok(()),
        }
    }

    fn remaining(&self) -> u64 {
        self.file.capacity().saturating_sub(self.tail)
    }

    fn whole(&self) -> u64 {
        self.file.capacity().saturating_sub(DATA_START)
    }

    /// Bytes that fit into a segment written anew, whatever the sizes of the records.
    fn surely(&self) -> u64 {
        self.whole().saturating_sub(MAX_FRAME)
    }
}
