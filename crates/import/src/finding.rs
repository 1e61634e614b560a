use serde::{Deserialize, Serialize};

/// Something that was found, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it belongs to: `model qwen`, `key scanner`, `gpus`, `https` ...
    pub subject: String,
    /// Which part of that; empty for the whole.
    pub field: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, and what to do; empty where there is nothing to say. Never holds a secret.
    pub note: String,
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is as it was.
    Taken,
    /// It means the same, or nearly, in other words.
    Changed,
    /// It is not here.
    LeftOut,
}

// === impl Finding ===

impl Finding {
    pub(crate) fn new(subject: &str, field: &str, verdict: Verdict, note: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), field: field.to_owned(), verdict, note: note.into() }
    }
}

// === impl Verdict ===

impl Verdict {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Changed => "changed",
            Self::LeftOut => "left out",
        }
    }
}
