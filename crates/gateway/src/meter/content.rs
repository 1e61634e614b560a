use bytes::Bytes;

use super::Report;
use super::rewrite::{Passed, Rewrite};

/// What an engine's answer is made of, piece by piece.
#[derive(Debug)]
pub(super) enum Content {
    /// Server-sent events, which are read. Boxed: it is much larger.
    Events(Box<Rewrite>),
    /// Anything else, as it comes.
    Opaque {
        /// Whether it is text, whose length tells its tokens.
        is_text: bool,
    },
}

/// Bytes of text that make a token, roughly.
const BYTES_PER_TOKEN: u64 = 4;

// === impl Content ===

impl Content {
    /// Takes the next bytes of the engine; gives those that go on now.
    pub(super) fn push(&mut self, frame: &Bytes) -> Passed {
        match self {
            Self::Events(rewrite) => rewrite.push(frame),
            Self::Opaque { is_text } => {
                let tokens = if *is_text { (frame.len() as u64).div_ceil(BYTES_PER_TOKEN) } else { 0 };
                Passed { bytes: frame.clone(), tokens }
            }
        }
    }

    /// Whether nothing is missing any more.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Events(rewrite) if rewrite.is_done())
    }

    /// The engine has ended the answer: what was held back, or none if it was cut.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        match self {
            Self::Events(rewrite) => rewrite.finish(),
            Self::Opaque { .. } => Some(Bytes::new()),
        }
    }

    /// Whether the engine reported an error in band.
    pub(super) fn has_error(&self) -> bool {
        matches!(self, Self::Events(rewrite) if rewrite.has_error)
    }

    /// The id of the response that it brings, once that came.
    pub(super) fn response_id(&self) -> Option<String> {
        match self {
            Self::Events(rewrite) => serde_json::from_slice(rewrite.response_id.as_ref()?).ok(),
            Self::Opaque { .. } => None,
        }
    }

    /// What was told so far.
    pub(super) fn report(&self) -> Report {
        match self {
            Self::Events(rewrite) => rewrite.report(),
            Self::Opaque { .. } => Report::default(),
        }
    }

    /// What ends an answer that cannot go on, after what was held back; none where only the connection's end can.
    pub(super) fn last_words(&mut self, error: &Bytes) -> Option<Bytes> {
        match self {
            Self::Events(rewrite) => Some([rewrite.take_held().as_ref(), error].concat().into()),
            Self::Opaque { .. } => None,
        }
    }
}
