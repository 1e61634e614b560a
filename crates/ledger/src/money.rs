use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use serde::{Deserialize, Serialize};

use crate::Usage;

/// An amount of money in thousand-millionths of the one currency that the installation uses.
///
/// Integers, so that sums never drift; signed, because adjustments can be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub i64);

/// What a model costs, fixed into every event at settlement.
///
/// Token rates are in nano-units per 1,000,000 tokens; the others in nano-units per piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Number of the revision that set this price.
    pub version: u64,
    /// Per 1,000,000 prompt tokens that were not cached.
    pub input: u64,
    /// Per 1,000,000 prompt tokens that were cached; equals `input` unless set.
    pub cached_input: u64,
    /// Per 1,000,000 completion tokens.
    pub output: u64,
    /// Per image.
    pub image: u64,
    /// Per second of audio.
    pub audio_second: u64,
    /// Per character spoken.
    pub character: u64,
    /// Per search unit.
    pub search: u64,
    /// Per request.
    pub request: u64,
}

// === impl Nanos ===

impl Nanos {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From units of currency, rounded to the nearest nano-unit; out of range saturates.
    #[expect(clippy::cast_possible_truncation, reason = "`as` from f64 saturates, which is what is wanted")]
    pub fn from_units(units: f64) -> Self {
        Self((units * 1e9).round() as i64)
    }

    /// In units of currency, for display and for LiteLLM's `spend`.
    #[expect(clippy::cast_precision_loss, reason = "for display; sums are done in integers")]
    pub fn as_units(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl fmt::Display for Nanos {
    /// Exact decimal without trailing zeros, as `0.00000675`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / 1_000_000_000, self.0.unsigned_abs() % 1_000_000_000);
        let digits = format!("{part:09}");
        match digits.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            digits => write!(f, "{sign}{whole}.{digits}"),
        }
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for Nanos {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Nanos {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

// === impl Price ===

impl Price {
    /// What `usage` costs. All parts are summed exactly and rounded once, half up, to a nano-unit.
    pub fn cost(&self, usage: &Usage) -> Nanos {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let millionths = [
            (usage.prompt_tokens - cached, self.input),
            (cached, self.cached_input),
            (usage.completion_tokens, self.output),
        ]
        .map(|(tokens, rate)| u128::from(tokens) * u128::from(rate));
        let thousandths = u128::from(usage.audio_millis) * u128::from(self.audio_second);
        let pieces = [
            (usage.images, self.image),
            (usage.characters, self.character),
            (usage.searches, self.search),
            (1, self.request),
        ]
        .map(|(count, rate)| u128::from(count) * u128::from(rate));
        let sum = |parts: &[u128]| parts.iter().fold(0_u128, |sum, part| sum.saturating_add(*part));
        let total = sum(&millionths)
            .saturating_add(thousandths.saturating_mul(1_000))
            .saturating_add(sum(&pieces).saturating_mul(1_000_000));
        let rounded = total.saturating_add(500_000) / 1_000_000;
        Nanos(i64::try_from(rounded).unwrap_or(i64::MAX))
    }

    /// Whether every request at this price is free.
    pub fn is_free(&self) -> bool {
        Self { version: 0, ..*self } == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_show_exactly() {
        assert_eq!(Nanos(6_750).to_string(), "0.00000675");
        assert_eq!(Nanos(-1_500_000_000).to_string(), "-1.5");
        assert_eq!(Nanos(2_000_000_000).to_string(), "2");
        assert_eq!(Nanos::from_units(0.1), Nanos(100_000_000));
    }

    #[test]
    fn cost_is_summed_exactly_and_rounded_once() {
        let price = Price { input: 100_000_000, cached_input: 10_000_000, output: 400_000_000, ..Price::default() };
        let usage = Usage { prompt_tokens: 20, cached_tokens: 16, completion_tokens: 8, ..Usage::default() };
        assert_eq!(price.cost(&usage), Nanos(4 * 100 + 16 * 10 + 8 * 400));
        let third = Price { input: 333_333, output: 333_333, ..Price::default() };
        let two = Usage { prompt_tokens: 1, completion_tokens: 1, ..Usage::default() };
        assert_eq!(third.cost(&two), Nanos(1), "0.33 + 0.33 rounds to 1 once, not to 0 twice");
    }

    #[test]
    fn huge_usage_saturates() {
        let price = Price { output: u64::MAX, request: u64::MAX, ..Price::default() };
        let usage = Usage { completion_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(price.cost(&usage), Nanos(i64::MAX));
    }
}
