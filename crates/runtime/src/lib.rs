//! Where engines run, and the few things that are done with a running one.
//!
//! The seam is [`Runtimes`] and the [`Handle`] that a start gives: with that alone an engine is asked whether it
//! *listens*, what it printed *last*, and *stopped*. Handles are plain data: kept on the disk, they find the same
//! engine again after a restart of the manager, and never another one. Nothing here decides anything; the reconciler does.
//!
//! What differs between runtimes is how engines are started and watched. A process starts in a moment and is watched by
//! its pid ([`process`]). A container may need an image first, and all of them are watched with one question
//! ([`docker`]).
//!
//! Beside the seam stand the pure helpers of whoever supervises: [`backoff()`] and [`restarts_after`] for crash loops,
//! [`failure_hint`] for what to tell people, [`log_file`] for what an engine wrote.

mod backoff;
pub mod docker;
mod handle;
mod hint;
mod launch;
mod listener;
mod liveness;
pub mod log_file;
pub mod process;
mod progress;
mod runtime;
mod used;

#[cfg(test)]
mod testing;

pub use backoff::{STABLE, backoff, restarts_after};
pub use docker::{Docker, DockerError};
pub use handle::Handle;
pub use hint::failure_hint;
pub use launch::Launch;
pub use listener::{Listener, free_port};
pub use liveness::{Exit, Liveness};
pub use process::{StartError, StopError};
pub use progress::{Progress, Stage, progress};
pub use runtime::{Runtimes, StopFailure};
pub use used::Used;
