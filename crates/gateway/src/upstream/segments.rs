use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::upload::{Broken, Upload};

/// A request body in pieces of the one that came: spliced without copying. What has not come yet follows as it comes.
#[derive(Debug)]
pub(crate) struct Segments {
    pieces: std::vec::IntoIter<Bytes>,
    /// Bytes that are left, where that is known.
    remaining: Option<u64>,
    rest: Option<Upload>,
}

// === impl Segments ===

impl Segments {
    /// The pieces in order.
    pub(crate) fn new(pieces: Vec<Bytes>) -> Self {
        Self { remaining: Some(sum(&pieces)), pieces: pieces.into_iter(), rest: None }
    }

    /// The pieces in order, and then `rest`, of which `length` bytes come if that is known.
    pub(crate) fn followed_by(pieces: Vec<Bytes>, rest: Upload, length: Option<u64>) -> Self {
        let remaining = length.map(|length| sum(&pieces) + length);
        Self { remaining, pieces: pieces.into_iter(), rest: Some(rest) }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        match (self.pieces.next(), &self.rest) {
            (Some(piece), rest) => {
                if let Some(rest) = rest {
                    rest.begin();
                }
                Poll::Ready(Some(Ok(piece)))
            }
            (None, Some(rest)) => rest.poll(cx),
            (None, None) => Poll::Ready(None),
        }
    }
}

impl Body for Segments {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let next = self.next(cx);
        if let (Poll::Ready(Some(Ok(piece))), Some(remaining)) = (&next, &mut self.remaining) {
            *remaining = remaining.saturating_sub(piece.len() as u64);
        }
        next.map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn sum(pieces: &[Bytes]) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}
