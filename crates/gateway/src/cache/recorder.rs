use bytes::BytesMut;
use http::{HeaderMap, StatusCode};

use super::Fill;
use crate::edge::BufferPermit;

/// Takes a stream down as the client gets it, to be kept once it is whole. What grows too large is let go of.
#[derive(Debug)]
pub(crate) struct Recorder {
    fill: Option<Fill>,
    headers: HeaderMap,
    body: BytesMut,
    /// Its share of the memory for bodies.
    permit: BufferPermit,
    max_sum: usize,
}

// === impl Recorder ===

impl Recorder {
    pub(super) fn new(fill: Fill, headers: HeaderMap, permit: BufferPermit, max_sum: usize) -> Self {
        Self { fill: Some(fill), headers, body: BytesMut::new(), permit, max_sum }
    }

    /// The next bytes that go to the client.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let Some(fill) = &self.fill else { return };
        let fits = self.body.len() + bytes.len() <= fill.max_bytes();
        if fits && self.permit.grow(bytes.len(), self.max_sum).is_ok() {
            self.body.extend_from_slice(bytes);
        } else {
            self.fill = None;
            self.body = BytesMut::new();
            // Others can have the memory while the stream goes on.
            self.permit = BufferPermit::default();
        }
    }

    /// The stream has ended well.
    pub(crate) fn finish(self) {
        if let Some(fill) = self.fill {
            fill.keep(StatusCode::OK, &self.headers, &self.body);
        }
    }
}
