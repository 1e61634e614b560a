//! What the simulated model says.

mod schema;

use std::borrow::Cow;

pub(crate) use schema::sample;

use crate::metrics::Finish;
use crate::text::{Seed, spans};

/// One answer in tokens.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// Words drawn from a seed.
    Words {
        /// Decides the words.
        seed: Seed,
        /// How many.
        len: u32,
    },
    /// A fixed text in pieces.
    Fixed(Vec<Box<str>>),
}

/// How long a request lets the answer be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowance {
    /// The smaller of `max_tokens` and `max_completion_tokens`.
    pub(crate) max_tokens: Option<u32>,
    /// vLLM's `min_tokens`.
    pub(crate) min_tokens: u32,
    /// vLLM's `ignore_eos`: go on to the limit.
    pub(crate) ignore_eos: bool,
}

// === impl Text ===

impl Text {
    /// `text` as it is.
    pub(crate) fn fixed(text: &str) -> Self {
        Self::Fixed(spans(text).map(Into::into).collect())
    }

    /// Tokens.
    pub(crate) fn len(&self) -> u32 {
        match self {
            Self::Words { len, .. } => *len,
            Self::Fixed(pieces) => u32::try_from(pieces.len()).unwrap_or(u32::MAX),
        }
    }

    /// The `index`th token; empty past the end.
    pub(crate) fn token(&self, index: u32) -> Cow<'_, str> {
        match self {
            Self::Words { seed, .. } => seed.word(index.into()),
            Self::Fixed(pieces) => {
                usize::try_from(index).ok().and_then(|at| pieces.get(at)).map_or("", Box::as_ref).into()
            }
        }
    }

    /// All tokens in one string.
    pub(crate) fn whole(&self) -> String {
        (0..self.len()).map(|index| self.token(index)).collect()
    }
}

// === impl Allowance ===

impl Allowance {
    /// Length and end of an answer that is `usual` tokens long where it may, with `room` tokens left in the context.
    pub(crate) fn decide(self, usual: u32, room: u32) -> (u32, Finish) {
        let most = self.max_tokens.unwrap_or(room).min(room);
        let wanted = if self.ignore_eos { most } else { usual.max(self.min_tokens) };
        if wanted < most { (wanted, Finish::Stop) } else { (most, Finish::Length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_usual_unless_the_request_says_otherwise() {
        let ask = |max_tokens, min_tokens, ignore_eos| Allowance { max_tokens, min_tokens, ignore_eos };
        assert_eq!(ask(None, 0, false).decide(16, 100), (16, Finish::Stop));
        assert_eq!(ask(Some(5), 0, false).decide(16, 100), (5, Finish::Length));
        assert_eq!(ask(Some(16), 0, false).decide(16, 100), (16, Finish::Length));
        assert_eq!(ask(Some(50), 0, false).decide(16, 100), (16, Finish::Stop));
        assert_eq!(ask(Some(50), 20, false).decide(16, 100), (20, Finish::Stop));
        assert_eq!(ask(Some(50), 0, true).decide(16, 100), (50, Finish::Length));
        assert_eq!(ask(None, 0, false).decide(16, 9), (9, Finish::Length));
    }

    #[test]
    fn tokens_add_up_to_the_whole() {
        let text = Text::fixed(r#"{"name":"Ünïcode"}"#);
        assert_eq!((0..text.len()).map(|i| text.token(i)).collect::<String>(), text.whole());
        assert_eq!(text.whole(), r#"{"name":"Ünïcode"}"#);
        assert_eq!(text.token(99), "");
    }
}
