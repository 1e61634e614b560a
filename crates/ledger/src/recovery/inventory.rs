//! Which segments there are, which life each is in, and which are still needed.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use ambient::Rng;
use rustix::fs::FlockOperation;

use super::damage::{DamageKind, Report};
use super::{OpenError, io_error};
use crate::frame::Seal;
use crate::header::{Block, DATA_START, Header, Note};
use crate::segment::{self, Found, SegmentFile};
use crate::spool::{Inventory, Slot};
use crate::{GatewayId, Options};

/// A segment file as it was found.
struct Candidate {
    file: SegmentFile,
    found: Found,
    header: Option<Header>,
    note: Option<Note>,
}

/// Locks the spool, opens its files (makes those that are missing), and reads their headers, not yet their records.
pub(super) fn take(dir: &Path, options: &Options, rng: &Rng, report: &mut Report<'_>) -> Result<Inventory, OpenError> {
    let lock = lock(dir)?;
    let count = segment::count_slots(dir).map_err(|source| io_error("list", dir, source))?;
    let files = (0..options.segments.max(count))
        .map(|slot| Candidate::open(dir, slot, options, report))
        .collect::<Result<Vec<_>, _>>()?;
    sync_dir(dir).map_err(|source| io_error("force to the disk", dir, source))?;
    let known = one_gateway(dir, &files)?;
    if known.is_some() && !options.is_copy {
        report_lost_files(&files, report);
    }
    let notes = || files.iter().filter_map(|file| file.note);
    let headers = || files.iter().filter_map(|file| file.header);
    let floor = notes().map(|note| note.floor).max().unwrap_or(0);
    let sequences = headers().map(|header| header.first_sequence).chain(notes().map(|note| note.next_sequence));
    let next_sequence = sequences.fold(1, u64::max);
    let next_segment = headers().map(|header| header.seal.segment).fold(0, u64::max) + 1;
    let (used, free) = sort(&files, floor);
    Ok(Inventory {
        gateway: known.unwrap_or_else(|| new_gateway(rng)),
        slots: files.into_iter().map(Candidate::into_slot).collect(),
        used,
        free,
        next_segment,
        next_sequence,
        floor,
        lock,
    })
}

// === impl Candidate ===

impl Candidate {
    fn open(dir: &Path, slot: usize, options: &Options, report: &mut Report<'_>) -> Result<Self, OpenError> {
        let path = segment::path(dir, slot);
        let (file, found) = SegmentFile::prepare(dir, slot, options.segment_bytes)
            .map_err(|source| io_error("open or allocate", &path, source))?;
        let read = |source| io_error("read", &path, source);
        let header = match file.header().map_err(read)? {
            Block::Valid(header) => Some(header),
            Block::Foreign(format) => return Err(OpenError::Format { file: path, format }),
            Block::Blank if file.is_blank().map_err(read)? => None,
            Block::Blank | Block::Damaged => {
                report.add(slot, 0, file.capacity(), DamageKind::Header);
                None
            }
        };
        let note = match file.note().map_err(read)? {
            Block::Valid(note) => Some(note),
            Block::Blank | Block::Foreign(_) | Block::Damaged => None,
        };
        Ok(Self { file, found, header, note })
    }

    fn seal(&self) -> Seal {
        self.header.map(|header| header.seal).unwrap_or_default()
    }

    fn segment(&self) -> u64 {
        self.seal().segment
    }

    fn into_slot(self) -> Slot {
        let seal = self.seal();
        let noted = self.note.filter(|note| note.seal == seal).map_or(DATA_START, |note| note.tail);
        Slot::new(self.file, seal, noted)
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| io_error("create", dir, source))?;
    let path = dir.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|source| io_error("open", &path, source))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Locked(dir.to_owned())),
        Err(error) => Err(io_error("lock", &path, error.into())),
    }
}

/// Forces the names of new files to the disk, and that of the directory itself.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()?;
    match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// The gateway that all headers name, if there is any.
fn one_gateway(dir: &Path, files: &[Candidate]) -> Result<Option<GatewayId>, OpenError> {
    let mut known = None;
    for (slot, header) in files.iter().enumerate().filter_map(|(slot, file)| Some((slot, file.header?))) {
        if *known.get_or_insert(header.gateway) != header.gateway {
            return Err(OpenError::Mixed(segment::path(dir, slot)));
        }
    }
    Ok(known)
}

/// Positive as a signed number too, for stores that know no other.
fn new_gateway(rng: &Rng) -> GatewayId {
    GatewayId((u64::from_le_bytes(rng.bytes()) >> 1).max(1))
}

/// In a spool that was written before, files that had to be made or extended are a loss.
fn report_lost_files(files: &[Candidate], report: &mut Report<'_>) {
    for (slot, file) in files.iter().enumerate() {
        match file.found {
            Found::Whole => {}
            Found::Missing => report.add(slot, 0, 0, DamageKind::Missing),
            Found::Short => report.add(slot, 0, 0, DamageKind::Short),
        }
    }
}

/// Slots with records that are still needed, by ascending ordinal, and the others.
fn sort(files: &[Candidate], floor: u64) -> (VecDeque<usize>, VecDeque<usize>) {
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|slot| files[*slot].segment());
    let (mut used, mut free, mut previous) = (VecDeque::new(), VecDeque::new(), 0);
    for slot in order {
        let segment = files[slot].segment();
        let needed = segment > previous && segment >= floor;
        if needed { &mut used } else { &mut free }.push_back(slot);
        previous = segment;
    }
    (used, free)
}
