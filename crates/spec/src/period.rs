use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::limits;

/// How often a budget begins anew, in LiteLLM's words: `30s`, `5m`, `12h`, `1d`, `2w`, `1mo`.
///
/// When exactly, [`snapshot`](../snapshot/index.html) knows, which knows the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    count: u32,
    unit: PeriodUnit,
}

/// What a period is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeriodUnit {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`
    Day,
    /// `w`
    Week,
    /// `mo`: calendar months.
    Month,
}

/// A period cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no period; write a number from 1 to {most} and s, m, h, d, w or mo, as `30d`", most = limits::PERIOD)]
pub struct UnfitPeriod;

// === impl Period ===

impl Period {
    /// So many units; none if there are too many, or none.
    pub fn new(count: u32, unit: PeriodUnit) -> Option<Self> {
        (1..=limits::PERIOD).contains(&count).then_some(Self { count, unit })
    }

    /// How many units: 1 to [`limits::PERIOD`].
    pub const fn count(self) -> u32 {
        self.count
    }

    /// What they are.
    pub const fn unit(self) -> PeriodUnit {
        self.unit
    }
}

impl FromStr for Period {
    type Err = UnfitPeriod;

    fn from_str(text: &str) -> Result<Self, UnfitPeriod> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let unit = PeriodUnit::ALL.into_iter().find(|known| known.as_str() == unit).ok_or(UnfitPeriod)?;
        Self::new(count.parse().map_err(|_| UnfitPeriod)?, unit).ok_or(UnfitPeriod)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.as_str())
    }
}

impl TryFrom<String> for Period {
    type Error = UnfitPeriod;
    fn try_from(text: String) -> Result<Self, UnfitPeriod> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[1-9][0-9]{0,4}(s|m|h|d|w|mo)$" })
    }
}

// === impl PeriodUnit ===

impl PeriodUnit {
    const ALL: [Self; 6] = [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
            Self::Day => "d",
            Self::Week => "w",
            Self::Month => "mo",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_shown_in_the_same_words() {
        for word in ["1s", "5m", "12h", "30d", "2w", "1mo", "10000d"] {
            assert_eq!(word.parse::<Period>().unwrap().to_string(), word);
        }
        for unfit in ["", "30", "d", "0d", "-1d", "1y", "1 d", "10001d", "99999999999d", "1.5h", "mo"] {
            assert_eq!(unfit.parse::<Period>(), Err(UnfitPeriod), "{unfit}");
        }
    }
}
