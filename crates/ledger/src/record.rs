use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use ambient::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Nanos, Price, Usage};

/// Attempts listed in one event at most: the first ones and the very last.
pub const MAX_ATTEMPTS: usize = 8;

/// Names one gateway's spool for ever; with the sequence number it identifies an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GatewayId(pub u64);

/// One record of the spool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A request was admitted.
    Open(Open),
    /// A request is still running: restates the open, so that the segment which held it can be reused.
    Checkpoint(Checkpoint),
    /// A request ended. Complete by itself.
    Close(Event),
    /// A request that another model serves than was asked for is still running; the model that was asked for.
    MovedCheckpoint(Checkpoint, Arc<str>),
    /// A request ended that another model served than was asked for; the model that was asked for.
    MovedClose(Event, Arc<str>),
}

/// A [`Record`] that is being written: the same bytes, without a copy of what they are made of.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) enum Written<'a> {
    Open(&'a Open),
    Checkpoint(&'a Checkpoint),
    Close(&'a Event),
    MovedCheckpoint(&'a Checkpoint, &'a str),
    MovedClose(&'a Event, &'a str),
}

/// What is known when a request is admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Number of the request in this gateway's books, from 1; never used twice.
    pub sequence: u64,
    /// The id in logs, in `x-request-id` and towards the engine.
    pub request_id: Arc<str>,
    /// When it was admitted.
    pub opened_at: Timestamp,
    /// Id of the key that pays: a virtual key's id, or `master`.
    pub key: Arc<str>,
    /// Public name of the model that serves it.
    pub model: Arc<str>,
    /// Which API was called, without the version: `chat/completions`.
    pub surface: Cow<'static, str>,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The price of that model at admission; settlement uses the same.
    pub price: Price,
    /// Tokens of the prompt by estimate (bytes ÷ 4), used where the engine reports nothing.
    pub prompt_tokens_estimate: u64,
    /// What was reserved on the budgets.
    pub reserved: Nanos,
    /// Public name of the model that was asked for, where another one serves. Such requests have records of their own
    /// ([`Record::MovedClose`]), so that those of all others stay what they were.
    #[serde(skip)]
    pub requested: Option<Arc<str>>,
}

/// A running request as the gateway last saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The open record again.
    pub open: Open,
    /// Bytes of the answer relayed so far.
    pub relayed_bytes: u64,
    /// Tokens of the answer relayed so far: chunks with content, each at least one token.
    pub relayed_tokens: u64,
    /// Microseconds from admission to the first byte relayed, once there was one.
    pub first_byte_micros: Option<u64>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer was relayed whole.
    Completed,
    /// No answer could be had, or it broke off: the engine's fault or the request's.
    Failed,
    /// The client went away first.
    Disconnected,
    /// The gateway died while the request ran; found by recovery.
    Interrupted,
}

/// Where the numbers of [`Event::usage`] come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The engine said so.
    Engine,
    /// Estimated from what was seen: the prompt's bytes and the chunks relayed.
    Estimate,
    /// Nothing was used: no engine answered.
    None,
    /// Nothing was used: the answer was there already, in the response cache.
    Cache,
}

/// One try at one deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Id of the deployment.
    pub deployment: Arc<str>,
    /// Status the engine answered with; 0 if it did not answer.
    pub status: u16,
    /// Why the attempt failed, in one word of the gateway's own (`connect`, `timeout_first_byte` ...); empty if it did not.
    pub fault: Cow<'static, str>,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// One line of the books: everything about one request that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What was known at admission.
    pub open: Open,
    /// When it ended.
    pub closed_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// Status the client saw; 0 if none was sent.
    pub status: u16,
    /// What it used.
    pub usage: Usage,
    /// Where `usage` comes from.
    pub usage_source: UsageSource,
    /// What it cost.
    pub cost: Nanos,
    /// Microseconds from admission to the first byte relayed (for streams: time to first token).
    pub first_byte_micros: Option<u64>,
    /// Tries in order, at most [`MAX_ATTEMPTS`]; all but the last one that answered are unbilled.
    pub attempts: Vec<Attempt>,
}

/// How postcard begins a [`Record::Close`].
const CLOSE: u8 = 2;
/// How postcard begins a [`Record::MovedClose`].
const MOVED_CLOSE: u8 = 4;

// === impl Record ===

impl Record {
    /// The event in an encoded close; none in other records, which are not decoded: who wants events needs none of it.
    pub(crate) fn event(payload: &[u8]) -> Result<Option<Event>, postcard::Error> {
        match payload.split_first() {
            Some((&CLOSE, event)) => postcard::from_bytes(event).map(Some),
            Some((&MOVED_CLOSE, event)) => {
                let (event, requested) = postcard::from_bytes(event)?;
                Ok(Some(Event::moved(event, requested)))
            }
            _ => Ok(None),
        }
    }

    /// A record; what tells of a request that another model serves is told as of any other.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, postcard::Error> {
        Ok(match postcard::from_bytes(payload)? {
            Self::MovedCheckpoint(checkpoint, requested) => {
                let open = Open { requested: Some(requested), ..checkpoint.open };
                Self::Checkpoint(Checkpoint { open, ..checkpoint })
            }
            Self::MovedClose(event, requested) => Self::Close(Event::moved(event, requested)),
            record => record,
        })
    }
}

// === impl Written ===

impl<'a> Written<'a> {
    pub(crate) fn checkpoint(checkpoint: &'a Checkpoint) -> Self {
        match &checkpoint.open.requested {
            Some(requested) => Self::MovedCheckpoint(checkpoint, requested),
            None => Self::Checkpoint(checkpoint),
        }
    }

    pub(crate) fn close(event: &'a Event) -> Self {
        match &event.open.requested {
            Some(requested) => Self::MovedClose(event, requested),
            None => Self::Close(event),
        }
    }
}

// === impl Event ===

impl Event {
    fn moved(self, requested: Arc<str>) -> Self {
        Self { open: Open { requested: Some(requested), ..self.open }, ..self }
    }
}

// === impl GatewayId ===

impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

// === impl Outcome ===

impl Outcome {
    /// The word used in the store, in metrics and in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Disconnected => "disconnected",
            Self::Interrupted => "interrupted",
        }
    }
}

// === impl UsageSource ===

impl UsageSource {
    /// The word used in the store and in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Estimate => "estimate",
            Self::None => "none",
            Self::Cache => "cache",
        }
    }
}

// === impl Checkpoint ===

impl Checkpoint {
    /// The event that recovery writes for a request that was running when the gateway died.
    pub fn interrupted(self, at: Timestamp) -> Event {
        let (usage, usage_source) = self.estimate();
        Event {
            closed_at: at,
            outcome: Outcome::Interrupted,
            status: 0,
            usage,
            usage_source,
            cost: if usage_source == UsageSource::None { Nanos::ZERO } else { self.open.price.cost(&usage) },
            first_byte_micros: self.first_byte_micros,
            attempts: Vec::new(),
            open: self.open,
        }
    }

    /// What was used where the engine did not say: once anything was relayed, the prompt by estimate and the answer
    /// by what is known to have been relayed; else nothing.
    pub fn estimate(&self) -> (Usage, UsageSource) {
        self.open.estimate(self.relayed_bytes, self.relayed_tokens)
    }
}

// === impl Open ===

impl Open {
    /// As [`Checkpoint::estimate`].
    pub(crate) fn estimate(&self, relayed_bytes: u64, relayed_tokens: u64) -> (Usage, UsageSource) {
        if relayed_bytes == 0 && relayed_tokens == 0 {
            return (Usage::default(), UsageSource::None);
        }
        let usage =
            Usage { prompt_tokens: self.prompt_tokens_estimate, completion_tokens: relayed_tokens, ..Usage::default() };
        (usage, UsageSource::Estimate)
    }
}

impl From<Open> for Checkpoint {
    fn from(open: Open) -> Self {
        Self { open, relayed_bytes: 0, relayed_tokens: 0, first_byte_micros: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    #[test]
    fn what_is_written_is_read_as_a_record() {
        let open = request("r").into_open(7, Timestamp::from_micros(5));
        let checkpoint = Checkpoint::from(open.clone());
        let event = checkpoint.clone().interrupted(Timestamp::from_micros(9));
        let bytes = |written: Written<'_>| postcard::to_stdvec(&written).unwrap();
        let read = |bytes: &[u8]| postcard::from_bytes::<Record>(bytes).unwrap();
        assert_eq!(read(&bytes(Written::Open(&open))), Record::Open(open.clone()));
        assert_eq!(read(&bytes(Written::Checkpoint(&checkpoint))), Record::Checkpoint(checkpoint.clone()));
        assert_eq!(read(&bytes(Written::Close(&event))), Record::Close(event.clone()));
    }

    #[test]
    fn what_another_model_serves_says_what_was_asked_for() {
        let open = request("r").into_open(7, Timestamp::from_micros(5));
        let checkpoint = Checkpoint::from(Open { requested: Some("asked".into()), ..open });
        let event = checkpoint.clone().interrupted(Timestamp::from_micros(9));
        let bytes = |written: Written<'_>| postcard::to_stdvec(&written).unwrap();
        let close = bytes(Written::close(&event));
        assert_eq!(close[0], MOVED_CLOSE);
        assert_eq!(Record::event(&close).unwrap(), Some(event.clone()));
        assert_eq!(Record::read(&close).unwrap(), Record::Close(event));
        let restated = bytes(Written::checkpoint(&checkpoint));
        assert_eq!(Record::read(&restated).unwrap(), Record::Checkpoint(checkpoint));
        assert_eq!(Record::event(&restated).unwrap(), None);
    }
}
