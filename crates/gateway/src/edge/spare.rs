//! Memory of large bodies that have gone, kept a moment for the next ones.
//!
//! The kernel gives memory in pages that it has to clear, one by one as they are touched; for a body of some MiB that takes
//! longer than all else that is done with it.

use std::mem;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

/// Smaller bodies come from the allocator, which keeps such memory itself.
pub(super) const LARGE: usize = 1 << 20;

/// Bytes that are kept at most.
const MAX: usize = 64 << 20;

/// Time for which they are.
const KEPT: Duration = Duration::from_secs(2);

/// Memory that no body needs now. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Spare(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// With the times at which they were given back, oldest first.
    buffers: Vec<(Vec<u8>, Instant)>,
    bytes: usize,
    /// Whether somebody looks after those that are kept too long.
    is_watched: bool,
}

/// A body in memory that is given back when the last part of it has gone.
#[derive(Debug)]
struct Body {
    bytes: Vec<u8>,
    spare: Weak<Mutex<Kept>>,
}

// === impl Spare ===

impl Spare {
    /// Room for `bytes`, empty.
    pub(super) fn take(&self, bytes: usize) -> Vec<u8> {
        let mut kept = self.0.lock();
        let fits = |(buffer, _): &(Vec<u8>, Instant)| buffer.capacity() >= bytes && buffer.capacity() / 2 <= bytes;
        match kept.buffers.iter().position(fits) {
            Some(at) => {
                let (buffer, _) = kept.buffers.remove(at);
                kept.bytes -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(bytes),
        }
    }

    /// The body in `bytes`, whose memory comes back here.
    pub(super) fn body(&self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Body { bytes, spare: Arc::downgrade(&self.0) })
    }

    #[cfg(test)]
    fn kept(&self) -> usize {
        self.0.lock().bytes
    }
}

// === impl Body ===

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let (Some(spare), Ok(runtime)) = (self.spare.upgrade(), Handle::try_current()) else { return };
        let mut buffer = mem::take(&mut self.bytes);
        let mut kept = spare.lock();
        if buffer.capacity() < LARGE || kept.bytes + buffer.capacity() > MAX {
            return;
        }
        buffer.clear();
        kept.bytes += buffer.capacity();
        kept.buffers.push((buffer, Instant::now()));
        if !mem::replace(&mut kept.is_watched, true) {
            runtime.spawn(free_forgotten(Arc::downgrade(&spare)));
        }
    }
}

// === impl Kept ===

impl Kept {
    /// Frees what is kept too long; says when to look again, none if nothing is left.
    fn free_old(&mut self) -> (Option<Instant>, Vec<(Vec<u8>, Instant)>) {
        let now = Instant::now();
        let young = self.buffers.iter().position(|(_, since)| *since + KEPT > now).unwrap_or(self.buffers.len());
        let old: Vec<_> = self.buffers.drain(..young).collect();
        self.bytes -= old.iter().map(|(buffer, _)| buffer.capacity()).sum::<usize>();
        let next = self.buffers.first().map(|(_, since)| *since + KEPT);
        self.is_watched = next.is_some();
        (next, old)
    }
}

async fn free_forgotten(spare: Weak<Mutex<Kept>>) {
    loop {
        let Some(kept) = spare.upgrade() else { return };
        let (next, old) = kept.lock().free_old();
        // Freeing asks the kernel, which nobody has to wait for.
        drop((kept, old));
        let Some(next) = next else { return };
        sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn memory_comes_back_is_used_again_and_is_freed_in_the_end() {
        let spare = Spare::default();
        let mut buffer = spare.take(2 * LARGE);
        buffer.extend_from_slice(b"abc");
        let at = buffer.as_ptr();
        let body = spare.body(buffer);
        let part = body.slice(1..);
        drop(body);
        assert_eq!((&part[..], spare.kept()), (&b"bc"[..], 0), "a part of it is still there");
        drop(part);
        assert_eq!(spare.kept(), 2 * LARGE);
        let again = spare.take(2 * LARGE);
        assert_eq!((again.as_ptr(), again.len(), spare.kept()), (at, 0, 0));
        drop(spare.body(again));
        assert!(spare.take(8 * LARGE).capacity() >= 8 * LARGE, "too small a one is not taken");
        sleep(KEPT * 2).await;
        assert_eq!(spare.kept(), 0);
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let spare = Spare::default();
        let bodies: Vec<_> = (0..=MAX / LARGE).map(|_| spare.body(spare.take(LARGE))).collect();
        drop(bodies);
        assert_eq!(spare.kept(), MAX);
    }
}
