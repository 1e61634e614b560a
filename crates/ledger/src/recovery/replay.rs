//! Reading the records of the segments that are still needed.

use std::collections::BTreeMap;

use super::damage::{DamageKind, Report};
use super::{OpenError, io_error};
use crate::header::DATA_START;
use crate::scan::{self, Piece};
use crate::segment;
use crate::spool::Inventory;
use crate::{Checkpoint, Position, Record};

/// What the records say, read in the order in which they were written.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Requests without a close by sequence: the newest that is known of each, and the slot where it lies.
    pub(super) running: BTreeMap<u64, (usize, Checkpoint)>,
    highest_sequence: u64,
}

// === impl Replay ===

impl Replay {
    /// Reads all segments in use, and corrects the tails and the next sequence of `inventory`.
    pub(super) fn run(&mut self, inventory: &mut Inventory, report: &mut Report<'_>) -> Result<(), OpenError> {
        let mut bytes = Vec::new();
        for slot in inventory.used.clone() {
            let place = &mut inventory.slots[slot];
            let path = segment::path(report.dir, slot);
            place.file.read_whole(&mut bytes).map_err(|source| io_error("read", &path, source))?;
            let mut gaps = Vec::new();
            let tail = scan::walk(place.seal, &bytes, DATA_START, |piece| match piece {
                Piece::Record { at, payload } => self.record(slot, at, payload, report),
                Piece::Gap { at, bytes } => {
                    report.add(slot, at.offset, bytes, DamageKind::Gap);
                    gaps.push((at.offset, bytes));
                }
            });
            if tail < place.tail {
                report.add(slot, tail, place.tail - tail, DamageKind::Tail);
            }
            place.set_tail(tail);
            for (offset, bytes) in gaps {
                place.fill(offset, bytes).map_err(|source| io_error("repair", &path, source))?;
            }
            if Some(&slot) == inventory.used.back() {
                place.wipe_rest(&bytes).map_err(|source| io_error("repair", &path, source))?;
            }
        }
        inventory.next_sequence = inventory.next_sequence.max(self.highest_sequence + 1);
        Ok(())
    }

    fn record(&mut self, slot: usize, at: Position, payload: &[u8], report: &mut Report<'_>) {
        let (open, checkpoint) = match Record::read(payload) {
            Ok(Record::Open(open)) => (open.sequence, Some(Checkpoint::from(open))),
            Ok(Record::Checkpoint(checkpoint) | Record::MovedCheckpoint(checkpoint, _)) => {
                (checkpoint.open.sequence, Some(checkpoint))
            }
            Ok(Record::Close(event) | Record::MovedClose(event, _)) => (event.open.sequence, None),
            Err(_) => return report.add(slot, at.offset, payload.len() as u64, DamageKind::Record),
        };
        self.highest_sequence = self.highest_sequence.max(open);
        match checkpoint {
            Some(checkpoint) => self.running.insert(open, (slot, checkpoint)),
            None => self.running.remove(&open),
        };
    }
}
