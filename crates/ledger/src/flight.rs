use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use ambient::Timestamp;
use parking_lot::Mutex;

use crate::{Checkpoint, Nanos, Open, Price, Unavailable};

/// Bytes of a name in a record at most; longer ones are cut.
pub(crate) const MAX_NAME: usize = 256;
const MAX_SURFACE: usize = 64;
const NO_FIRST_BYTE: u64 = u64::MAX;

/// A request to be admitted. Names longer than 256 bytes (`surface`: 64) are cut in the books.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// The id in logs, in `x-request-id` and towards the engine.
    pub request_id: Arc<str>,
    /// Id of the key that pays: a virtual key's id, or `master`.
    pub key: Arc<str>,
    /// Public name of the model.
    pub model: Arc<str>,
    /// Which API was called, without the version: `chat/completions`.
    pub surface: Cow<'static, str>,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The price now; settlement uses the same.
    pub price: Price,
    /// Tokens of the prompt by estimate (bytes ÷ 4).
    pub prompt_tokens_estimate: u64,
    /// What was reserved on the budgets.
    pub reserved: Nanos,
}

/// What a running request has relayed so far. Setters are lock-free, cheap enough for every chunk.
#[derive(Debug)]
pub struct Progress {
    bytes: AtomicU64,
    tokens: AtomicU64,
    first_byte_micros: AtomicU64,
}

/// A request between admission and settlement.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) open: Open,
    /// The same with the model that serves it now, where that is another one.
    pub(crate) moved: Mutex<Option<Arc<Open>>>,
    pub(crate) progress: Progress,
    /// Set when its open was written, or could not be.
    pub(crate) admitted: OnceLock<Result<(), Unavailable>>,
}

// === impl NewRequest ===

impl NewRequest {
    pub(crate) fn into_open(self, sequence: u64, now: Timestamp) -> Open {
        Open {
            sequence,
            request_id: cut_name(self.request_id, MAX_NAME),
            opened_at: now,
            key: cut_name(self.key, MAX_NAME),
            model: cut_name(self.model, MAX_NAME),
            surface: cut_word(self.surface, MAX_SURFACE),
            stream: self.stream,
            price: self.price,
            prompt_tokens_estimate: self.prompt_tokens_estimate,
            reserved: self.reserved,
            requested: None,
        }
    }
}

// === impl Progress ===

impl Progress {
    /// Counts a piece of the answer that was relayed.
    pub fn relayed(&self, bytes: u64, tokens: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.tokens.fetch_add(tokens, Relaxed);
    }

    /// Says when the first byte was relayed, in microseconds from admission. Only the first call counts.
    pub fn first_byte(&self, micros: u64) {
        let micros = micros.min(NO_FIRST_BYTE - 1);
        let _ = self.first_byte_micros.compare_exchange(NO_FIRST_BYTE, micros, Relaxed, Relaxed);
    }

    /// Bytes of the answer relayed so far.
    pub fn relayed_bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Tokens of the answer relayed so far.
    pub fn relayed_tokens(&self) -> u64 {
        self.tokens.load(Relaxed)
    }

    /// Microseconds from admission to the first byte relayed, once there was one.
    pub fn first_byte_micros(&self) -> Option<u64> {
        Some(self.first_byte_micros.load(Relaxed)).filter(|micros| *micros != NO_FIRST_BYTE)
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self { bytes: AtomicU64::new(0), tokens: AtomicU64::new(0), first_byte_micros: AtomicU64::new(NO_FIRST_BYTE) }
    }
}

// === impl Flight ===

impl Flight {
    pub(crate) fn new(open: Open) -> Self {
        Self { open, moved: Mutex::new(None), progress: Progress::default(), admitted: OnceLock::new() }
    }

    /// The request as it stands now.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            open: self.moved.lock().as_deref().unwrap_or(&self.open).clone(),
            relayed_bytes: self.progress.relayed_bytes(),
            relayed_tokens: self.progress.relayed_tokens(),
            first_byte_micros: self.progress.first_byte_micros(),
        }
    }
}

/// `name`, cut to `max` bytes at a character's boundary.
pub(crate) fn cut_name(name: Arc<str>, max: usize) -> Arc<str> {
    if name.len() <= max { name } else { name[..name.floor_char_boundary(max)].into() }
}

/// As [`cut_name`], for words that are mostly static.
pub(crate) fn cut_word(word: Cow<'static, str>, max: usize) -> Cow<'static, str> {
    if word.len() <= max { word } else { Cow::Owned(word[..word.floor_char_boundary(max)].to_owned()) }
}
