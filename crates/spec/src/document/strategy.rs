use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How one of several deployments is chosen, in LiteLLM's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The replica with the fewest requests in flight.
    #[default]
    LeastBusy,
    /// One at random, in proportion to the weights.
    SimpleShuffle,
    /// The one with the fewest tokens in this minute; of equals the first.
    UsageBasedRouting,
    /// The one with the fewest tokens in this minute; of equals any.
    #[serde(rename = "usage-based-routing-v2")]
    UsageBasedRoutingV2,
    /// The one that was quickest of late; those that were not asked yet go first.
    LatencyBasedRouting,
    /// The one that costs the least (`cost`); of equals the first.
    CostBasedRouting,
}

/// There is no strategy of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no strategy {}; there are {}", crate::quote::Quoted(.0), names())]
pub struct UnknownStrategy(String);

// === impl Strategy ===

impl Strategy {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::LeastBusy,
        Self::SimpleShuffle,
        Self::UsageBasedRouting,
        Self::UsageBasedRoutingV2,
        Self::LatencyBasedRouting,
        Self::CostBasedRouting,
    ];

    /// The word for it in documents, on the command line and in LiteLLM's files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeastBusy => "least-busy",
            Self::SimpleShuffle => "simple-shuffle",
            Self::UsageBasedRouting => "usage-based-routing",
            Self::UsageBasedRoutingV2 => "usage-based-routing-v2",
            Self::LatencyBasedRouting => "latency-based-routing",
            Self::CostBasedRouting => "cost-based-routing",
        }
    }

    /// Whether it goes by what was used in this minute.
    pub const fn counts_usage(self) -> bool {
        matches!(self, Self::UsageBasedRouting | Self::UsageBasedRoutingV2)
    }
}

impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| UnknownStrategy(text.to_owned()))
    }
}

fn names() -> String {
    Strategy::ALL.map(|one| format!("`{one}`")).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_word_everywhere() {
        for strategy in Strategy::ALL {
            assert_eq!(serde_json::to_value(strategy).unwrap(), strategy.as_str());
            assert_eq!(strategy.as_str().parse(), Ok(strategy));
        }
        let unknown = "round-robin".parse::<Strategy>().unwrap_err().to_string();
        assert!(unknown.contains("round-robin") && unknown.contains("`latency-based-routing`"), "{unknown}");
    }
}
