//! A real PostgreSQL server of its own for a test: made in a moment from a template, gone when the test ends.
//!
//! ```ignore
//! let mut postgres = Postgres::start();
//! let url = postgres.url();
//! postgres.kill();
//! postgres.restart();
//! ```
//!
//! Where PostgreSQL is not installed the test fails and says what to install. The server refuses to run as root, so tests
//! of root run it as the user `postgres`. Faults in here panic: they are failures of the test that ran into them.
#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a harness that fails is a test that fails")]

mod binaries;
mod patience;
mod server;
mod standby;
mod template;

pub use server::Postgres;

/// The database of the tests, and the user that owns it.
pub const DATABASE: &str = "house";
/// The password of that user, wanted over TCP only.
pub const PASSWORD: &str = "p4ss-of-the-tests";
