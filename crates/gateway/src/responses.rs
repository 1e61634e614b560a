//! Responses that engines keep (`/responses`): which replica has which one, and who may use it.
//!
//! Kept in memory and bounded: a response that is not known any more is looked for where it can be only, and else is
//! not found, as after the engine's own restart.

mod background;
mod table;
mod thread;

pub(crate) use background::settle_when_made;
pub(crate) use table::{Made, Maker, Responses};
pub(crate) use thread::{Keeper, Thread};
