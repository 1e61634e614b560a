use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::BufferPermit;
use crate::meter::Relay;
use crate::upstream::Inbound;

/// What goes wrong while a body is sent.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a response.
#[derive(Debug)]
pub(crate) enum Body {
    /// All there, with its share of the memory for bodies.
    Full { bytes: Option<Bytes>, _permit: BufferPermit },
    /// An engine's stream. Boxed: it is large, and most responses are not streams.
    Relay(Box<Relay>),
    /// The manager's answer, as it comes.
    Forwarded(Inbound),
}

// === impl Body ===

impl Body {
    /// A body that is all there.
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::held(bytes.into(), BufferPermit::default())
    }

    /// A body that is all there and counts as held until it is sent.
    pub(crate) fn held(bytes: Bytes, permit: BufferPermit) -> Self {
        Self::Full { bytes: (!bytes.is_empty()).then_some(bytes), _permit: permit }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Full { bytes, .. } => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relay(relay) => relay.poll(cx).map(|bytes| bytes.map(|bytes| bytes.map(Frame::data))),
            Self::Forwarded(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full { bytes, .. } => bytes.is_none(),
            Self::Relay(_) => false,
            Self::Forwarded(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full { bytes, .. } => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Relay(relay) => relay.length().map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Forwarded(body) => body.size_hint(),
        }
    }
}
