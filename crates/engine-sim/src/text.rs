//! Words from a seed, and the simulated tokenizer.

use std::borrow::Cow;

/// Bytes of one simulated token, at most.
const TOKEN_BYTES: usize = 5;

const WORDS: [&str; 64] = [
    "light", "river", "stone", "quiet", "morning", "garden", "small", "window", "paper", "road", "green", "summer",
    "letter", "water", "table", "silver", "forest", "answer", "number", "simple", "house", "cloud", "music", "winter",
    "slow", "bright", "field", "story", "north", "engine", "open", "glass", "under", "across", "every", "little",
    "between", "old", "new", "long", "first", "second", "plain", "round", "deep", "clear", "warm", "cold", "often",
    "again", "always", "never", "while", "after", "before", "about", "with", "from", "over", "into", "and", "the",
    "then", "there",
];

/// A number that depends on all bytes fed to it (FNV-1a).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(u64);

// === impl Seed ===

impl Seed {
    /// The seed of `text`.
    pub(crate) fn of(text: &str) -> Self {
        Self(0xcbf2_9ce4_8422_2325).with(text)
    }

    /// The seed of everything so far and `text`.
    pub(crate) fn with(self, text: &str) -> Self {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(text.bytes().chain([0xff]).fold(self.0, step))
    }

    /// The seed of the `index`th variant.
    pub(crate) const fn variant(self, index: u64) -> Self {
        Self(self.0 ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The `index`th number drawn from this seed (splitmix64).
    pub(crate) const fn draw(self, index: u64) -> u64 {
        let mut z = self.0.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The `index`th number as a fraction from 0 (included) to 1 (excluded).
    pub(crate) fn fraction(self, index: u64) -> f64 {
        f64::from(u32::try_from(self.draw(index) >> 32).unwrap_or(0)) / 4_294_967_296.0
    }

    /// The `index`th word: the first bare, the others after a space.
    pub(crate) fn word(self, index: u64) -> Cow<'static, str> {
        let word = WORDS[usize::try_from(self.draw(index) % 64).unwrap_or(0)];
        if index == 0 { Cow::Borrowed(word) } else { Cow::Owned(format!(" {word}")) }
    }
}

/// The tokens of `text`: words at white space, each in pieces of at most five bytes (never inside a character).
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().flat_map(|word| Cut { rest: word, limit: TOKEN_BYTES })
}

/// How many tokens `text` has.
pub(crate) fn count(text: &str) -> u32 {
    u32::try_from(pieces(text).count()).unwrap_or(u32::MAX)
}

/// `text` in pieces that put together give `text` again, about one per token.
pub(crate) fn spans(text: &str) -> impl Iterator<Item = &str> {
    Cut { rest: text, limit: TOKEN_BYTES }
}

/// A number for a token, below 1000.
pub(crate) fn token_id(piece: &str) -> u64 {
    Seed::of(piece).draw(0) % 1000
}

/// The text of a token number.
pub(crate) fn token_text(id: u64) -> &'static str {
    WORDS[usize::try_from(id % 64).unwrap_or(0)]
}

struct Cut<'a> {
    rest: &'a str,
    limit: usize,
}

// === impl Cut ===

impl<'a> Iterator for Cut<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let mut end = self.rest.len().min(self.limit);
        while !self.rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_words() {
        let text = |prompt: &str| (0..8).map(|i| Seed::of(prompt).word(i)).collect::<String>();
        assert_eq!(text("hello"), text("hello"));
        assert_ne!(text("hello"), text("hullo"));
        assert!(!text("hello").starts_with(' '));
        assert_eq!(text("hello").split(' ').count(), 8);
    }

    #[test]
    fn fed_texts_do_not_run_into_each_other() {
        assert_ne!(Seed::of("ab").with("c"), Seed::of("a").with("bc"));
    }

    #[test]
    fn tokens_are_words_in_short_pieces() {
        assert_eq!(pieces(" one  elephants\n").collect::<Vec<_>>(), ["one", "eleph", "ants"]);
        assert_eq!(count(""), 0);
        assert_eq!(pieces("😀🚀").collect::<Vec<_>>(), ["😀", "🚀"]);
    }

    #[test]
    fn spans_lose_nothing() {
        let text = "{\"a\": [1, \"grüße\"], \"b\": \"😀🚀🎉\"}";
        assert_eq!(spans(text).collect::<String>(), text);
    }

    #[test]
    fn fractions_stay_in_range() {
        assert!((0..1000).map(|i| Seed::of("x").fraction(i)).all(|f| (0.0..1.0).contains(&f)));
    }
}
