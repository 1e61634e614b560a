use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use wire::Answer;

use super::Inbound;
use crate::edge::BufferPermit;

/// What an engine answered, where it can be passed on.
#[derive(Debug)]
pub(crate) enum Answered {
    /// A whole JSON answer.
    Whole {
        /// As the engine gave it.
        status: StatusCode,
        /// Those that go on to the client.
        headers: HeaderMap,
        /// The answer.
        body: Bytes,
        /// What was found in it.
        answer: Answer,
        /// Its share of the memory for bodies.
        permit: BufferPermit,
    },
    /// An answer that has begun and is passed on as it comes.
    Stream {
        /// Whether it consists of server-sent events.
        is_events: bool,
        /// As the engine gave it.
        status: StatusCode,
        /// Those that go on to the client.
        headers: HeaderMap,
        /// The bytes that came first.
        first: Bytes,
        /// All others.
        rest: Inbound,
    },
    /// The engine refused the request itself: the client's to mend, so it goes on in the engine's words.
    Refused {
        /// As the engine gave it.
        status: StatusCode,
        /// Those that go on to the client.
        headers: HeaderMap,
        /// The engine's words.
        body: Bytes,
    },
}

// === impl Answered ===

impl Answered {
    /// As the engine gave it.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Whole { status, .. } | Self::Stream { status, .. } | Self::Refused { status, .. } => *status,
        }
    }
}
