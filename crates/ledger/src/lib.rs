//! The books: what every admitted request used and cost, whatever dies meanwhile.
//!
//! Admission appends an *open* record to the spool, settlement a *close*; long requests are restated by
//! *checkpoints*. Recovery turns an open without a close into one event `interrupted`. The drain carries
//! closed events to a [`Sink`](drain::Sink) exactly once. This crate knows no HTTP and no database.
//!
//! From the bottom up: `frame` (how a record lies in a segment), `header` (how a segment begins), `segment` (one
//! preallocated file), `scan` (walking over damage), `spool` (the segments of one writer), `state` (requests in flight
//! and the room promised to them), `keeper` (the thread that syncs, restates and reuses), `recovery` (opening), `books`
//! and `entry` (what the gateway sees), `drain` (what the manager runs).

pub mod drain;

mod books;
mod copy;
mod entry;
mod flight;
mod frame;
mod header;
mod keeper;
mod money;
mod options;
mod position;
mod record;
mod recovery;
mod scan;
mod segment;
mod spool;
mod state;
#[cfg(test)]
mod testing;
mod usage;

pub use books::{Books, Condition, Health, Unavailable};
pub use copy::segment_files;
pub use entry::{Entry, Prepared, Settlement};
pub use flight::{NewRequest, Progress};
pub use money::{Nanos, Price};
pub use options::{OnFull, Options};
pub use position::Position;
pub use record::{Attempt, Checkpoint, Event, GatewayId, MAX_ATTEMPTS, Open, Outcome, Record, UsageSource};
pub use recovery::{Damage, DamageKind, OpenError, Recovered, SpentError};
pub use usage::Usage;
