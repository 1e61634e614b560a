//! Where engines run, and the few things that are done with a running one.
//!
//! The seam is [`Runtime`]: an engine is *started* from a [`Launch`], which gives a [`Handle`]; with that alone it is
//! *observed*, asked whether it *listens*, and *stopped*. Handles are plain data: kept in the store, they find the same
//! engine again after a restart of the manager, and never another one. Nothing here decides anything; the reconciler does.
//!
//! There is one runtime so far, [`process`]. Another joins as a variant of [`Runtime`] and of [`Handle`] (for Docker: the
//! id of a container), with a module of its own that offers the same four functions.
//!
//! Beside the seam stand the pure helpers of whoever supervises: [`backoff()`] and [`restarts_after`] for crash loops,
//! [`failure_hint`] for what to tell people, [`log_file`] for what an engine wrote.

mod backoff;
mod handle;
mod hint;
mod launch;
mod listener;
mod liveness;
pub mod log_file;
pub mod process;
mod runtime;

#[cfg(test)]
mod testing;

pub use backoff::{STABLE, backoff, restarts_after};
pub use handle::Handle;
pub use hint::failure_hint;
pub use launch::Launch;
pub use listener::{Listener, free_port};
pub use liveness::{Exit, Liveness};
pub use process::{StartError, StopError};
pub use runtime::Runtime;
