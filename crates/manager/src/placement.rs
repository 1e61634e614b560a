//! Which engine gets which GPU: from the names in a document to devices of this machine, how much of each is booked, and when an
//! engine may start on its own. All but [`apply`] is pure.

mod apart;
mod apply;
mod book;
mod device;
mod gate;
mod judge;
mod memory;
mod resolve;
mod share;
#[cfg(test)]
pub(crate) mod tests;
mod visible;

pub(crate) use apart::{are_apart, ids};
pub(crate) use device::Device;
pub(crate) use gate::{Gate, Verdict, gib};
pub(crate) use memory::{Placed, placed};
pub(crate) use resolve::{nothing, of_names, of_replica};
pub(crate) use share::{Origin, Share, share};
pub(crate) use visible::fitted;
