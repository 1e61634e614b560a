use serde::Serialize;
use serde_json::{Map, Value};
use store::{Spend, TeamRow};
use utoipa::ToSchema;

use crate::Manager;
use crate::api::limits::LimitsView;
use crate::budgets::RunSpend;
use crate::compiler::limits_of_team;
use crate::teams::ChangedTeam;

/// A team.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TeamView {
    /// Chosen once; what the books know it by.
    id: String,
    /// Name given by people.
    alias: Option<String>,
    /// Models that its keys may use; empty allows all.
    models: Vec<String>,
    #[serde(flatten)]
    limits: LimitsView,
    /// What its keys spent, in units of the currency.
    spend: f64,
    /// The same in thousand-millionths: exact.
    spend_nanos: i64,
    /// Requests that have ended.
    requests: u64,
    /// Tokens of prompts and answers.
    tokens: u64,
    /// Whether all its keys are blocked.
    blocked: bool,
    /// Keys that belong to it.
    keys: usize,
    /// Whatever people attached.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// When it was made.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
    /// What did not go as it should, though the change stands.
    warnings: Vec<String>,
}

// === impl TeamView ===

impl TeamView {
    pub(super) fn new(manager: &Manager, row: TeamRow, spend: Spend, run: Option<RunSpend>) -> Self {
        Self {
            keys: manager.keys_of_team(&row.id).len(),
            limits: LimitsView::new(&row.limits, run),
            id: row.id,
            alias: row.alias,
            models: row.models,
            spend: spend.cost.as_units(),
            spend_nanos: spend.cost.0,
            requests: spend.requests,
            tokens: spend.tokens,
            blocked: row.blocked,
            metadata: row.metadata,
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
            warnings: Vec::new(),
        }
    }

    /// With what the books say.
    pub(super) async fn read(manager: &Manager, row: TeamRow) -> Result<Self, store::Error> {
        let spend = manager.store().events().spend_of_teams().await?.get(&row.id).copied().unwrap_or_default();
        let period = limits_of_team(&row).budget_period;
        let budgets = manager.budgets(period).await?;
        let run = budgets.run(period, |spending| spending.teams.get(&row.id).copied().unwrap_or_default());
        Ok(Self::new(manager, row, spend, run))
    }

    /// A team that was changed. What it spent is left at nothing where the books cannot be read: the change stands.
    pub(super) async fn of_changed(manager: &Manager, changed: ChangedTeam) -> Self {
        let mut warnings: Vec<_> = changed.behind.err().map(|behind| behind.to_string()).into_iter().collect();
        warnings.extend(manager.unknown_models(&changed.row.models));
        let view = match Self::read(manager, changed.row.clone()).await {
            Ok(view) => view,
            Err(error) => {
                warnings.push(format!("what the team spent cannot be read: {}", error.cause));
                Self::new(manager, changed.row, Spend::default(), None)
            }
        };
        Self { warnings, ..view }
    }
}
