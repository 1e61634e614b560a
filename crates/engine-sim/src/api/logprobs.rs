use std::collections::HashSet;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::answer::Text;
use crate::text::Seed;

/// Log probabilities of a chat answer.
#[derive(Serialize)]
pub(super) struct ChatLogprobs {
    content: Vec<ChatToken>,
}

/// Log probabilities of a text completion.
#[derive(Serialize)]
pub(super) struct TextLogprobs {
    text_offset: Vec<usize>,
    token_logprobs: Vec<f64>,
    tokens: Vec<String>,
    top_logprobs: Vec<Pairs>,
}

#[derive(Serialize)]
struct ChatToken {
    #[serde(flatten)]
    token: Token,
    top_logprobs: Vec<Token>,
}

#[derive(Clone, Serialize)]
struct Token {
    #[serde(rename = "token")]
    text: String,
    logprob: f64,
    bytes: Vec<u8>,
}

struct Pairs(Vec<(String, f64)>);

// === impl ChatLogprobs ===

impl ChatLogprobs {
    /// Of the tokens in `range`, with `top` candidates each.
    pub(super) fn of(text: &Text, range: std::ops::Range<u32>, top: u32) -> Self {
        let content = range.map(|index| {
            let candidates = candidates(text, index, top.max(1));
            let tokens =
                candidates.into_iter().map(|(text, logprob)| Token { bytes: text.clone().into_bytes(), text, logprob });
            let tokens: Vec<Token> = tokens.collect();
            ChatToken { token: tokens[0].clone(), top_logprobs: tokens.into_iter().take(to_usize(top)).collect() }
        });
        Self { content: content.collect() }
    }
}

// === impl TextLogprobs ===

impl TextLogprobs {
    /// Of the tokens in `range`, with `top` candidates each; offsets count from `offset` characters.
    pub(super) fn of(text: &Text, range: std::ops::Range<u32>, top: u32, mut offset: usize) -> Self {
        let mut all = Self { text_offset: vec![], token_logprobs: vec![], tokens: vec![], top_logprobs: vec![] };
        for index in range {
            let candidates = candidates(text, index, top.max(1));
            let (token, logprob) = candidates[0].clone();
            all.text_offset.push(offset);
            offset += token.chars().count();
            all.token_logprobs.push(logprob);
            all.tokens.push(token);
            all.top_logprobs.push(Pairs(candidates));
        }
        all
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (token, logprob) in &self.0 {
            map.serialize_entry(token, logprob)?;
        }
        map.end()
    }
}

/// The token that was chosen and the next likely ones, most likely first; no token twice.
fn candidates(text: &Text, index: u32, count: u32) -> Vec<(String, f64)> {
    let chosen = text.token(index).into_owned();
    let seed = Seed::of(&chosen).variant(index.into());
    let mut seen = HashSet::from([chosen.clone()]);
    let mut logprob = -0.01 - seed.fraction(0);
    let mut all = vec![(chosen, logprob)];
    for draw in 1.. {
        if all.len() >= to_usize(count) || draw > 1000 {
            break;
        }
        let word = format!(" {}", crate::text::token_text(seed.draw(draw)));
        if seen.insert(word.clone()) {
            logprob -= 0.01 + seed.fraction(draw);
            all.push((word, logprob));
        }
    }
    all
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_fall_and_differ() {
        let text = Text::Words { seed: Seed::of("x"), len: 3 };
        let all = candidates(&text, 1, 20);
        assert_eq!(all.len(), 20);
        assert_eq!(all[0].0, text.token(1));
        assert!(all.windows(2).all(|pair| pair[0].1 > pair[1].1));
        assert!(all[0].1 < 0.0);
    }
}
