//! Answers that were given before: off unless the desired state switches it on.
//!
//! Only exactly the same request hits: same API, model and body, and the same key unless keys share a namespace. A
//! request is admitted before its answer is looked for, so allow-lists and rates hold for hits too; a hit costs nothing.

mod digest;
mod follow;
mod recorder;

use std::sync::Arc;
use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use snapshot::CacheSettings;

pub(crate) use digest::{Digest, Owner, Question};
use follow::{Joined, Lead, Running};
pub(crate) use recorder::Recorder;

use crate::edge::BufferPermit;

/// Bytes that an entry takes besides its body and headers, about.
const OVERHEAD: usize = 512;

/// Bytes that a header takes besides its name and value, about.
const HEADER_OVERHEAD: usize = 64;

/// The answers that are kept, and the questions that are being asked.
#[derive(Debug)]
pub(crate) struct Cache {
    settings: CacheSettings,
    answers: moka::sync::Cache<Digest, Arc<Kept>>,
    running: Running,
}

/// An answer as the client got it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) headers: HeaderMap,
    pub(crate) body: bytes::Bytes,
}

/// What the client wants of the cache: `Cache-Control: no-cache` and `no-store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    /// Whether an answer that was given before will do.
    reads: bool,
    /// Whether this answer may be given again.
    stores: bool,
}

/// What the cache has for a request.
#[derive(Debug)]
pub(crate) enum Found {
    /// The answer.
    Hit(Arc<Kept>),
    /// The answer to an identical request that was running.
    Coalesced(Arc<Kept>),
    /// Nothing; where the answer goes once it is there.
    Miss(Fill),
}

/// Takes the answer to a request that missed. Dropped without one, those who wait for it ask for themselves.
#[derive(Debug)]
pub(crate) struct Fill {
    cache: Arc<Cache>,
    digest: Digest,
    stores: bool,
    lead: Option<Lead>,
}

// === impl Cache ===

impl Cache {
    /// An empty cache.
    pub(crate) fn new(settings: CacheSettings) -> Self {
        let answers = moka::sync::Cache::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|_, kept: &Arc<Kept>| u32::try_from(kept.bytes()).unwrap_or(u32::MAX))
            .time_to_live(settings.ttl.max(Duration::from_millis(1)))
            .build();
        Self { settings, answers, running: Running::default() }
    }

    /// The cache for `settings`: `previous`, with all that is in it, where they have not changed.
    pub(crate) fn next(previous: Option<&Arc<Self>>, settings: Option<&CacheSettings>) -> Option<Arc<Self>> {
        let settings = settings?;
        let same = previous.filter(|cache| cache.settings == *settings);
        Some(same.map_or_else(|| Arc::new(Self::new(settings.clone())), Arc::clone))
    }

    /// The part of the cache that all keys share, if there is one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.settings.namespace.as_deref()
    }

    /// Bytes of one answer at most.
    pub(crate) fn max_entry_bytes(&self) -> usize {
        usize::try_from(self.settings.max_entry_bytes).unwrap_or(usize::MAX)
    }

    /// Looks for the answer to `digest`. Where identical requests are asked once and another one runs that `may_wait`
    /// allows to wait for, waits until that has ended: its own time-outs bound it.
    pub(crate) async fn look(self: Arc<Self>, digest: Digest, control: Control, may_wait: bool) -> Found {
        if control.reads
            && let Some(kept) = self.answers.get(&digest)
        {
            return Found::Hit(kept);
        }
        let may_join = self.settings.coalesce && may_wait && control.reads && control.stores;
        let lead = match may_join.then(|| self.running.join(digest)) {
            None => None,
            Some(Joined::Leads(lead)) => Some(lead),
            Some(Joined::Follows(follow)) => match follow.answer().await {
                Some(kept) => return Found::Coalesced(kept),
                // One after another would multiply the wait: from here on each for itself.
                None => None,
            },
        };
        Found::Miss(Fill { cache: self, digest, stores: control.stores, lead })
    }
}

// === impl Kept ===

impl Kept {
    /// Bytes of memory that it takes, about. Headers count too: an engine may send many.
    fn bytes(&self) -> usize {
        let header = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + HEADER_OVERHEAD;
        OVERHEAD + self.body.len() + self.headers.iter().map(header).sum::<usize>()
    }
}

// === impl Fill ===

impl Fill {
    /// Keeps an answer that was given whole. Anything but a success is nobody else's.
    pub(crate) fn keep(self, status: StatusCode, headers: &HeaderMap, body: &[u8]) {
        if status != StatusCode::OK || !self.stores {
            return;
        }
        let fits = body.len() <= self.cache.max_entry_bytes();
        if !fits && self.lead.is_none() {
            return;
        }
        // A copy: the body can be a slice of a buffer that is much larger.
        let kept = Arc::new(Kept { headers: headers.clone(), body: bytes::Bytes::copy_from_slice(body) });
        if let Some(lead) = self.lead {
            lead.tell(&kept);
        }
        if fits {
            self.cache.answers.insert(self.digest, kept);
        }
    }

    /// Takes down a stream while it is relayed.
    pub(crate) fn record(self, headers: HeaderMap, permit: BufferPermit, max_sum: usize) -> Option<Recorder> {
        self.stores.then(|| Recorder::new(self, headers, permit, max_sum))
    }

    fn max_bytes(&self) -> usize {
        self.cache.max_entry_bytes()
    }
}

// === impl Control ===

impl Control {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let says = |word: &str| {
            let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|directive| directive.trim().eq_ignore_ascii_case(word))
        };
        Self { reads: !says("no-cache"), stores: !says("no-store") }
    }
}

#[cfg(test)]
mod tests;
