//! Connections that can be told to misbehave below HTTP: cut, drip, or close without a word.

mod io;
mod listener;
mod wire;

pub use listener::Listener;
pub(crate) use listener::{Door, Gate};
pub(crate) use wire::Wire;
