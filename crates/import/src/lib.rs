//! What other programs were configured with, as desired state of ours, and a report that leaves nothing out: every field
//! that was found is taken over, changed, or left out, and the report says which and why.

mod finding;
pub mod llm_manager;

pub use finding::{Finding, Verdict};

/// A key that can be taken over.
#[derive(Clone, PartialEq)]
pub struct ImportedKey {
    /// What it is called.
    pub alias: String,
    /// The key itself.
    pub secret: String,
    /// Whether it is good for direct routes only.
    pub is_direct: bool,
    /// Models that it may use; all if empty.
    pub models: Vec<String>,
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// What it may spend.
    pub max_budget: Option<f64>,
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Models that are valid, each by itself.
    pub models: Vec<spec::Model>,
    /// Keys.
    pub keys: Vec<ImportedKey>,
    /// What became of everything that was found.
    pub report: Vec<Finding>,
}

impl std::fmt::Debug for ImportedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportedKey").field("alias", &self.alias).finish_non_exhaustive()
    }
}
