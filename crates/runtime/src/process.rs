//! Engines as local processes, each with its children in a process group of its own.
//!
//! A process is identified by its pid, the tick at which it started and the boot in which that was: a pid alone is
//! given to another process sooner or later. An ended engine is left unreaped until [`stop()`] clears it away. Until
//! then its exit code can be read again and again, and the kernel gives its pid to nobody, so that the group may
//! be signalled without ever meeting a stranger.
//!
//! What an engine starts belongs to its group unless it leaves it on purpose (`setsid`); such a child is found only by
//! the [`TAG`] that it inherits, as is an engine whose handle was lost.
//!
//! Only `/proc` and plain signals are used: no handler of `SIGCHLD`, nothing global.

mod command;
mod environment;
mod error;
mod group;
mod identity;
mod placeholders;
mod sockets;
mod start;
mod stat;
mod stop;
mod strays;
mod used;

#[cfg(test)]
mod tests;

pub use error::{StartError, StopError};
pub use identity::{Handle, observe};
pub use placeholders::{Placeholders, SubstituteError, substitute};
pub use sockets::{listening_ports, listens};
pub use start::start;
pub use stop::stop;
pub use strays::{TAG, Tagged, stop_tagged, tagged};
pub use used::used;
