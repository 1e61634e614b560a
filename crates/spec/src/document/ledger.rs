use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the books behave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: the settings of `ledger`", default)]
pub struct Ledger {
    /// What happens to requests when nothing can be written.
    pub on_full: OnFull,
}

/// What happens to requests when the spool is full or cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFull {
    /// They get 503 `books_unavailable`.
    #[default]
    Refuse,
    /// They are served and counted in bounded memory.
    Serve,
}
