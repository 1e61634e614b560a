//! The reading side of the spool: follows the writer through the segment files, from whichever process.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::frame::{MAX_FRAME, Seal};
use crate::header::{Block, DATA_START};
use crate::scan::{self, Piece};
use crate::segment::{self, SegmentFile};
use crate::{Event, GatewayId, Position, Record};

/// Bytes read from a segment at a time, after which whoever waits for the core has it: requests come first.
const WINDOW: usize = 64 * 1024;

const _: () = assert!(WINDOW as u64 >= MAX_FRAME);

/// Reads the events of one spool in the order in which they were written.
#[derive(Debug)]
pub(super) struct Reader {
    dir: PathBuf,
    /// Open segment files by slot; they stay readable when the directory is deleted.
    files: BTreeMap<usize, SegmentFile>,
    window: Vec<u8>,
    at: Position,
}

/// What was read in one go.
#[derive(Debug, Default)]
pub(super) struct Catch {
    pub(super) events: Vec<Event>,
    bytes: usize,
    /// Where the next record will be read.
    pub(super) position: Position,
    /// Whether a limit ended it: there may be more.
    pub(super) full: bool,
}

/// The segments of a gateway that are there now, by ordinal: each with its slot.
type Map = BTreeMap<u64, (usize, Seal)>;

/// What became of one look at the segments.
enum Step {
    /// Frames were read.
    Read,
    /// A segment was finished or skipped.
    Moved,
    /// There is nothing more now.
    End,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), files: BTreeMap::new(), window: vec![0; WINDOW], at: Position::default() }
    }

    /// Opens the files that are there now. Those that are gone stay open as they were.
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        let slots = match segment::count_slots(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            slots => slots?,
        };
        for slot in 0..slots {
            match SegmentFile::open(&self.dir, slot) {
                Ok(file) => drop(self.files.insert(slot, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whose spool it is; `None` while there is none.
    pub(super) fn gateway(&self) -> io::Result<Option<GatewayId>> {
        for file in self.files.values() {
            if let Block::Valid(header) = file.header()? {
                return Ok(Some(header.gateway));
            }
        }
        Ok(None)
    }

    /// Goes to where a sink's position says. If no record can begin there, because the spool was damaged, to the
    /// very beginning of what is left. Says whether `position` was good.
    pub(super) fn seek(&mut self, gateway: GatewayId, position: Option<Position>) -> io::Result<bool> {
        self.at = Position::default();
        let Some(position) = position else { return Ok(true) };
        let good = self.is_boundary(gateway, position)?;
        if good {
            self.at = position;
        }
        Ok(good)
    }

    fn is_boundary(&mut self, gateway: GatewayId, position: Position) -> io::Result<bool> {
        let Some((slot, seal)) = self.map(gateway)?.get(&position.segment).copied() else { return Ok(false) };
        let mut bytes = Vec::new();
        self.files[&slot].read_whole(&mut bytes)?;
        let Some(before) = usize::try_from(position.offset).ok().and_then(|offset| bytes.get(..offset)) else {
            return Ok(false);
        };
        Ok(position.offset == scan::walk(seal, before, DATA_START, |_| {}))
    }

    /// Reads on until there is nothing more or one of the limits is reached, and forces to the disk what was read from
    /// `from` on: a sink never knows more than the disk. After an error, the same is read again.
    pub(super) fn read_durably(
        &mut self,
        gateway: GatewayId,
        from: Position,
        max_events: usize,
        max_bytes: usize,
    ) -> io::Result<Catch> {
        let before = self.at;
        let outcome = self.read(gateway, max_events, max_bytes).and_then(|catch| {
            if !catch.events.is_empty() || catch.position.segment > from.segment {
                self.sync(gateway, from)?;
            }
            Ok(catch)
        });
        if outcome.is_err() {
            self.at = before;
        }
        outcome
    }

    fn read(&mut self, gateway: GatewayId, max_events: usize, max_bytes: usize) -> io::Result<Catch> {
        let mut catch = Catch::default();
        let mut map = self.map(gateway)?;
        loop {
            catch.position = self.at;
            if catch.events.len() >= max_events || catch.bytes >= max_bytes {
                catch.full = true;
                return Ok(catch);
            }
            match self.step(&map, &mut catch, max_events)? {
                Step::Read => std::thread::yield_now(),
                Step::Moved => map = self.map(gateway)?,
                Step::End => return Ok(catch),
            }
        }
    }

    fn step(&mut self, map: &Map, catch: &mut Catch, max_events: usize) -> io::Result<Step> {
        let Some((slot, seal)) = map.get(&self.at.segment).copied() else {
            return Ok(self.find_next(map));
        };
        let length = self.files[&slot].read_at(&mut self.window, self.at.offset)?;
        if self.take_frames(seal, length, catch, max_events) {
            return Ok(Step::Read);
        }
        // A later segment was there before these bytes were read: so the writer had finished this one.
        if map.range(self.at.segment + 1..).next().is_none() {
            return Ok(Step::End);
        }
        if !self.skip_damage(seal, slot)? {
            self.enter_next(map);
        }
        Ok(Step::Moved)
    }

    /// Takes the frames at the start of the window; says whether there was one.
    fn take_frames(&mut self, seal: Seal, length: usize, catch: &mut Catch, max_events: usize) -> bool {
        let (start, mut used) = (self.at.offset, 0);
        while catch.events.len() < max_events
            && let Some(frame) = self.window.get(used..length).and_then(|rest| seal.read(rest, start + used as u64))
        {
            match frame.payload.map(Record::event) {
                Some(Ok(Some(event))) => catch.events.push(event),
                Some(Err(error)) => tracing::warn!(%error, at = %self.at, "a record of the spool cannot be read"),
                Some(Ok(None)) | None => {}
            }
            used = used.saturating_add(usize::try_from(frame.size).unwrap_or(length));
            self.at.offset = start + used as u64;
        }
        catch.bytes += used;
        used > 0
    }

    /// In a finished segment: goes to the next valid frame behind damage. Says whether there is one.
    fn skip_damage(&mut self, seal: Seal, slot: usize) -> io::Result<bool> {
        let mut bytes = Vec::new();
        self.files[&slot].read_whole(&mut bytes)?;
        let mut found = None;
        scan::walk(seal, &bytes, self.at.offset, |piece| {
            if let (Piece::Gap { at, bytes }, None) = (piece, &found) {
                found = Some((at.offset + bytes, bytes));
            }
        });
        if let Some((offset, bytes)) = found {
            tracing::warn!(at = %self.at, bytes, "part of the spool is damaged; the rest is drained");
            self.at.offset = offset;
        }
        Ok(found.is_some())
    }

    /// Where the segment that was read is gone: goes to the next one, or, in a spool that was put back, to its start.
    fn find_next(&mut self, map: &Map) -> Step {
        if !map.is_empty() && map.range(self.at.segment + 1..).next().is_none() {
            self.at = Position::default();
        }
        self.enter_next(map)
    }

    /// Goes to the start of the next segment that is there.
    fn enter_next(&mut self, map: &Map) -> Step {
        match map.range(self.at.segment + 1..).next() {
            Some((segment, _)) => {
                self.at = Position { segment: *segment, offset: DATA_START };
                Step::Moved
            }
            None => Step::End,
        }
    }

    fn sync(&self, gateway: GatewayId, from: Position) -> io::Result<()> {
        let map = self.map(gateway)?;
        map.range(from.segment..=self.at.segment).try_for_each(|(_, (slot, _))| self.files[slot].sync())
    }

    /// Bytes from `position` to where the writer's last notes say that the records end.
    pub(super) fn lag(&self, gateway: GatewayId, position: Position) -> io::Result<u64> {
        let mut lag = 0;
        for (segment, (slot, seal)) in self.map(gateway)?.range(position.segment..) {
            let from = if *segment == position.segment { position.offset } else { DATA_START };
            if let Block::Valid(note) = self.files[slot].note()?
                && note.seal == *seal
            {
                lag += note.tail.saturating_sub(from);
            }
        }
        Ok(lag)
    }

    /// Makes every sync fail from now on, or work again.
    #[cfg(test)]
    pub(super) fn set_broken(&self, broken: bool) {
        for file in self.files.values() {
            file.faults.set_broken(broken);
        }
    }

    fn map(&self, gateway: GatewayId) -> io::Result<Map> {
        let mut map = Map::new();
        for (slot, file) in &self.files {
            if let Block::Valid(header) = file.header()?
                && header.gateway == gateway
            {
                map.insert(header.seal.segment, (*slot, header.seal));
            }
        }
        Ok(map)
    }
}
