use serde::{Deserialize, Serialize};
use store::RowLimits;
use utoipa::ToSchema;

use super::Problem;
use crate::budgets::RunSpend;
use crate::keys::{self, Edit, LimitsEdit};

/// What a key or a team may use; none is no limit.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct NewLimits {
    /// Requests in a window of 60 s.
    rpm: Option<u64>,
    /// Tokens of prompts and answers in such a window.
    tpm: Option<u64>,
    /// Requests at once.
    max_parallel: Option<u64>,
    /// What it may spend in each `budget_period`, or in all, in units of the currency.
    max_budget: Option<f64>,
    /// How often the budget begins anew, as `1d`, `12h`, `1mo`.
    budget_period: Option<String>,
}

/// What becomes of limits. Whatever is left out stays; null takes a limit away.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct LimitsPatch {
    /// Requests in a window of 60 s.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    rpm: Edit<Option<u64>>,
    /// Tokens of prompts and answers in such a window.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    tpm: Edit<Option<u64>>,
    /// Requests at once.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    max_parallel: Edit<Option<u64>>,
    /// What it may spend in each `budget_period`, or in all, in units of the currency.
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    max_budget: Edit<Option<f64>>,
    /// How often the budget begins anew, as `1d`, `12h`, `1mo`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    budget_period: Edit<Option<String>>,
}

/// What a key or a team may use, and how far its budget is used up.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitsView {
    /// Requests in a window of 60 s.
    rpm: Option<u64>,
    /// Tokens of prompts and answers in such a window.
    tpm: Option<u64>,
    /// Requests at once.
    max_parallel: Option<u64>,
    /// What it may spend in each `budget_period`, or in all, in units of the currency.
    max_budget: Option<f64>,
    /// How often the budget begins anew.
    budget_period: Option<String>,
    /// What it spent in the present period, in units of the currency, where the budget has one.
    period_spend: Option<f64>,
    /// When the next period begins.
    budget_reset_at: Option<String>,
}

// === impl NewLimits ===

impl NewLimits {
    pub(super) fn into_row(self) -> Result<RowLimits, Problem> {
        Ok(RowLimits {
            rpm: self.rpm,
            tpm: self.tpm,
            max_parallel: self.max_parallel,
            max_budget: self.max_budget.map(nanos).transpose()?,
            budget_period: self.budget_period.map(|word| period(&word)).transpose()?,
        })
    }
}

// === impl LimitsPatch ===

impl LimitsPatch {
    pub(super) fn into_edit(self) -> Result<LimitsEdit, Problem> {
        Ok(LimitsEdit {
            rpm: self.rpm,
            tpm: self.tpm,
            max_parallel: self.max_parallel,
            max_budget: self.max_budget.try_map(|units| units.map(nanos).transpose())?,
            budget_period: self.budget_period.try_map(|word| word.map(|word| period(&word)).transpose())?,
        })
    }
}

// === impl LimitsView ===

impl LimitsView {
    pub(super) fn new(limits: &RowLimits, run: Option<RunSpend>) -> Self {
        Self {
            rpm: limits.rpm,
            tpm: limits.tpm,
            max_parallel: limits.max_parallel,
            max_budget: limits.max_budget.map(ledger::Nanos::as_units),
            budget_period: limits.budget_period.map(|period| period.to_string()),
            period_spend: run.map(|run| run.spent.as_units()),
            budget_reset_at: run.map(|run| run.resets_at.to_string()),
        }
    }
}

/// Currency units to nano-units.
fn nanos(units: f64) -> Result<ledger::Nanos, Problem> {
    keys::nanos(units).map_err(|unfit| Problem::unfit("max_budget", unfit.to_string()))
}

fn period(word: &str) -> Result<snapshot::Period, Problem> {
    word.parse().map_err(|unfit: snapshot::UnfitPeriod| Problem::unfit("budget_period", unfit.to_string()))
}
