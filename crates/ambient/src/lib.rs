//! Time and randomness, as parameters.
//!
//! Nothing else in the workspace asks the operating system for the time of day or for random
//! bytes (`clippy.toml` forbids it). What needs them takes a [`Clock`] or an [`Rng`], so that a test
//! can set the hour and repeat the dice.
//!
//! Durations and time-outs are not here: they use `tokio::time`, which tests can pause.

mod clock;
mod rng;
mod timestamp;

pub use clock::{Clock, ManualClock};
pub use rng::Rng;
pub use timestamp::Timestamp;
