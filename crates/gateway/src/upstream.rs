//! To the engine and back: one attempt after another, as long as nothing was sent to the client.

mod answer;
mod attempt;
mod client;
mod connection;
mod dial;
mod fault;
mod pool;
mod reason;
mod request;
mod segments;
mod upload;

pub(crate) use answer::Answered;
pub(crate) use attempt::{MaxBytes, attempt};
pub(crate) use client::Client;
pub(crate) use connection::Inbound;
pub(crate) use fault::Fault;
pub(crate) use reason::Reason;
pub(crate) use request::Outbound;
pub(crate) use segments::Segments;
pub(crate) use upload::Upload;
