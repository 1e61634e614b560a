//! Where clients come in: connections, request ids, bounds on what they may send.

mod body;
mod connections;
mod receive;
mod request_id;
mod socket;
mod spare;

pub(crate) use body::{Body, BoxError};
pub(crate) use connections::accept_forever;
pub(crate) use receive::{BODY_IDLE, BODY_TOTAL, BodyBounds, BodyFault, BufferPermit, Buffers, receive};
pub(crate) use request_id::request_id;
pub(crate) use socket::Peer;
