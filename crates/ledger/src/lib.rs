//! The books: what every admitted request used and cost, whatever dies meanwhile.
//!
//! Admission appends an *open* record to the spool, settlement a *close*; long requests are restated by
//! *checkpoints*. Recovery turns an open without a close into one event `interrupted`. The drain carries
//! closed events to a [`Sink`](drain::Sink) exactly once. This crate knows no HTTP and no database.

mod money;
mod record;
mod usage;

pub use money::{Nanos, Price};
pub use record::{Attempt, Checkpoint, Event, GatewayId, MAX_ATTEMPTS, Open, Outcome, Record, UsageSource};
pub use usage::Usage;
