//! The way from the manager to gateways in other processes: frames of JSON over a Unix socket.
//!
//! A gateway says hello and what it serves from; the manager answers with the whole snapshot, then with what changes,
//! and the gateway with each epoch once it serves from it. Only the newest state is ever sent: a gateway that is slow or
//! stopped holds up nobody and has no queue. Whoever is not of the same user is turned away.

mod client;
mod delta;
mod frame;
mod message;
mod peer;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Link, LinkConfig};
pub use server::serve;
