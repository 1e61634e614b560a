use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// What another name stands for: the name of a model, or more about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "the name of a model, or a mapping with `model` and `hidden`")]
pub enum Alias {
    /// The name of a model, or of another alias.
    Model(#[schemars(length(min = 1, max = limits::NAME_BYTES))] String),
    /// The same with how it is shown.
    Shown(ShownAlias),
}

/// What another name stands for, and whether it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: an alias")]
pub struct ShownAlias {
    /// The name of a model, or of another alias.
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub model: String,
    /// Whether `/v1/models` leaves it out.
    #[serde(default)]
    pub hidden: bool,
}

// === impl Alias ===

impl Alias {
    /// The name that it stands for.
    pub fn model(&self) -> &str {
        match self {
            Self::Model(model) | Self::Shown(ShownAlias { model, .. }) => model,
        }
    }

    /// Whether `/v1/models` leaves it out.
    pub const fn is_hidden(&self) -> bool {
        matches!(self, Self::Shown(ShownAlias { hidden: true, .. }))
    }
}
