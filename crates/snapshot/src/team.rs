use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Limits, Spent};

/// Keys that share limits and an allow-list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Team {
    /// Lasts for the life of the team.
    pub id: Arc<str>,
    /// Name given by people.
    pub alias: Option<String>,
    /// Models that its keys may use; empty allows all.
    pub models: Vec<String>,
    /// What its keys may use together.
    pub limits: Limits,
    /// What they had spent together.
    pub spent: Spent,
    /// Whether all its keys are blocked.
    pub blocked: bool,
}
