//! Getting an answer onto the wire: at its pace, as its fault says, and into the books.

mod events;
mod session;
mod tamper;
mod whole;

pub(crate) use events::{Event, Script, stream};
pub(crate) use session::Work;
pub(crate) use whole::{bytes, json};
