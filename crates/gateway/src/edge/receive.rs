use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::spare::{LARGE, Spare};

/// Time that a client may take between two pieces of its body.
pub(crate) const BODY_IDLE: Duration = Duration::from_secs(30);

/// Time that a whole body may take.
pub(crate) const BODY_TOTAL: Duration = Duration::from_secs(600);

/// Why a body did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("The request body is larger than {0} bytes.")]
    TooLarge(usize),
    #[error("The service holds as many request bodies as it can. Try again shortly.")]
    Overloaded,
    #[error("The request body was not there within {0:?}.")]
    Slow(Duration),
    #[error("The request body ended before it was complete.")]
    Broken,
}

/// The memory for bodies that are held whole, of requests and of answers, all together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers {
    held: Arc<AtomicUsize>,
    spare: Spare,
}

/// A part of that memory, given back on drop.
#[derive(Debug, Default)]
pub(crate) struct BufferPermit {
    buffers: Buffers,
    bytes: usize,
}

type Framed = hyper::Result<Frame<Bytes>>;

/// Bounds on bodies, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyBounds {
    /// Of one body.
    pub(crate) max: usize,
    /// Of all that are held.
    pub(crate) max_sum: usize,
}

/// Reads a whole body within `bounds`.
pub(crate) async fn receive(
    headers: &HeaderMap,
    mut body: Incoming,
    buffers: &Buffers,
    BodyBounds { max, max_sum }: BodyBounds,
) -> Result<(Bytes, BufferPermit), BodyFault> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(BodyFault::TooLarge(max));
    }
    let mut permit = buffers.permit();
    let mut first = Bytes::new();
    let mut all = Vec::new();
    let mut ends = None;
    // To ask for the end of a body that is known to be all there would take another round through hyper.
    while !body.is_end_stream()
        && let Some(frame) = next_frame(&mut body, &mut ends).await?
    {
        let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() else { continue };
        if permit.bytes + data.len() > max {
            return Err(BodyFault::TooLarge(max));
        }
        permit.grow(data.len(), max_sum)?;
        // Most bodies come in one frame, which then is the body.
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            // What is announced is bounded above. Pages of it that nothing is written to take no memory, and growing by and
            // by would copy a large body several times.
            all = buffers.room(announced.unwrap_or(0));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok((if all.is_empty() { first } else { buffers.body(all) }, permit))
}

/// The next frame. The time is looked at only where it is waited for: most bodies come with their heads.
async fn next_frame(body: &mut Incoming, ends: &mut Option<Instant>) -> Result<Option<Framed>, BodyFault> {
    if let Some(frame) = body.frame().now_or_never() {
        return Ok(frame);
    }
    let ends = *ends.get_or_insert_with(|| Instant::now() + BODY_TOTAL);
    let frame = timeout(BODY_IDLE, body.frame()).await.map_err(|_| BodyFault::Slow(BODY_IDLE))?;
    if Instant::now() > ends { Err(BodyFault::Slow(BODY_TOTAL)) } else { Ok(frame) }
}

// === impl Buffers ===

impl Buffers {
    /// A part of the memory, empty.
    pub(crate) fn permit(&self) -> BufferPermit {
        BufferPermit { buffers: self.clone(), bytes: 0 }
    }

    /// Bytes held now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Memory for a body of so many bytes.
    fn room(&self, bytes: usize) -> Vec<u8> {
        if bytes < LARGE { Vec::with_capacity(bytes) } else { self.spare.take(bytes) }
    }

    /// The body that was put together.
    fn body(&self, bytes: Vec<u8>) -> Bytes {
        if bytes.capacity() < LARGE { bytes.into() } else { self.spare.body(bytes) }
    }
}

// === impl BufferPermit ===

impl BufferPermit {
    /// Another part of the same memory, empty.
    pub(crate) fn sibling(&self) -> Self {
        self.buffers.permit()
    }

    /// Takes more, while all together have at most `max_sum`.
    pub(crate) fn grow(&mut self, bytes: usize, max_sum: usize) -> Result<(), BodyFault> {
        let before = self.buffers.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes > max_sum { Err(BodyFault::Overloaded) } else { Ok(()) }
    }
}

impl Drop for BufferPermit {
    fn drop(&mut self) {
        self.buffers.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_bounded_and_given_back() {
        let buffers = Buffers::default();
        let permit = || BufferPermit { buffers: buffers.clone(), bytes: 0 };
        let (mut a, mut b) = (permit(), permit());
        a.grow(60, 100).unwrap();
        assert!(matches!(b.grow(60, 100), Err(BodyFault::Overloaded)));
        drop(b);
        a.grow(40, 100).unwrap();
        drop(a);
        assert_eq!(buffers.held(), 0);
    }
}
