//! Opening the books: what lies on disk is read, judged, and closed where a crash left it open.

use std::io;
use std::path::{Path, PathBuf};

use ambient::{Clock, Rng};

use crate::header::DATA_START;
use crate::spool::{AppendError, Slot, Spool};
use crate::state::State;
use crate::{Options, Position};

mod damage;
mod inventory;
mod replay;
mod spent;

pub use damage::{Damage, DamageKind};
pub use spent::SpentError;

use damage::Report;
use replay::Replay;
use spent::Readable;

/// Why the books could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The options make no sense.
    #[error("cannot keep books with {0}")]
    Options(String),
    /// Another gateway writes there.
    #[error("the spool {0} is in use by another gateway; give each gateway a spool of its own")]
    Locked(PathBuf),
    /// The spool was written by another version of this program.
    #[error("{file} has format {format}, which this version cannot read; drain it with the version that wrote it")]
    Format {
        /// The segment.
        file: PathBuf,
        /// Its format.
        format: u32,
    },
    /// Files of two spools lie in one directory.
    #[error("{0} belongs to another gateway's spool; move it to where it came from")]
    Mixed(PathBuf),
    /// The disk refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keeper's thread could not be started.
    #[error("cannot start the thread that keeps the books: {0}")]
    Thread(io::Error),
}

/// What was found when the books were opened.
#[derive(Debug)]
pub struct Recovered {
    /// Requests that were running when the gateway died, now closed as interrupted.
    pub interrupted: usize,
    /// What was damaged and where, at most 64 places.
    pub damage: Vec<Damage>,
    /// Bytes that could not be read, in all places.
    pub dropped_bytes: u64,
    /// Where the oldest record begins that is still here. A sink whose position is older misses something.
    pub oldest: Position,
    /// Where new records begin: behind all that was found and behind the closes of the interrupted.
    pub end: Position,
    segments: Vec<Readable>,
}

/// Opens the spool in `dir`; makes it if there is none. Returns with everything on disk.
pub(crate) fn open(dir: &Path, options: &Options, clock: &Clock, rng: &Rng) -> Result<(State, Recovered), OpenError> {
    if let Some(fault) = options.fault() {
        return Err(OpenError::Options(fault));
    }
    let mut report = Report::new(dir);
    let mut inventory = inventory::take(dir, options, rng, &mut report)?;
    let mut replay = Replay::default();
    replay.run(&mut inventory, &mut report)?;
    if report.in_doubt {
        inventory.leap(clock.now());
    }
    let mut state = State::new(Spool::new(inventory, rng.clone()), options);
    begin(&mut state, report.in_doubt).map_err(|source| io_error("write to", dir, source))?;
    let oldest = state.spool.used().next().map_or(0, Slot::segment);
    let interrupted = replay.running.len();
    for (slot, checkpoint) in replay.running.into_values() {
        state.interrupt(slot, checkpoint.interrupted(clock.now()));
    }
    // What cannot be written is owed, and the disk says so again at once.
    let _ = state.flush();
    settle_on_disk(&mut state.spool).map_err(|source| io_error("force to the disk", dir, source))?;
    let segments = state.spool.used().map(Readable::new).collect();
    let recovered = Recovered {
        interrupted,
        damage: report.damage,
        dropped_bytes: report.bytes,
        oldest: Position { segment: oldest, offset: DATA_START },
        end: state.spool.end(),
        segments,
    };
    Ok((state, recovered))
}

/// Makes sure that there is a segment to write to. After damage that is a new one, so that no reader's position means
/// another place than before; if none is free, the old one must do.
fn begin(state: &mut State, in_doubt: bool) -> io::Result<()> {
    if !in_doubt && state.spool.used().next().is_some() {
        return Ok(());
    }
    match state.spool.roll() {
        Ok(_) | Err(AppendError::Full) => Ok(()),
        Err(AppendError::Write(error)) => Err(error),
        Err(AppendError::Encode(error)) => Err(io::Error::other(error)),
    }
}

fn settle_on_disk(spool: &mut Spool) -> io::Result<()> {
    spool.take_dirty().iter().try_for_each(|dirty| {
        dirty.settle()?;
        dirty.file.sync()
    })
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { action, path: path.to_owned(), source }
}
