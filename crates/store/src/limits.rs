use ledger::Nanos;
use snapshot::Period;

use crate::Result;
use crate::database::Row;

/// What a key or a team may use; none is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowLimits {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute.
    pub tpm: Option<u64>,
    /// Requests at once.
    pub max_parallel: Option<u64>,
    /// What it may spend: in each period, or in all.
    pub max_budget: Option<Nanos>,
    /// How often the budget begins anew.
    pub budget_period: Option<Period>,
}

// === impl RowLimits ===

impl RowLimits {
    /// Out of the columns of the same names.
    pub(crate) fn of(row: &Row) -> Result<Self> {
        let period: Option<String> = row.get("budget_period")?;
        let period = period.map(|word| word.parse::<Period>()).transpose();
        Ok(Self {
            rpm: row.get("rpm")?,
            tpm: row.get("tpm")?,
            max_parallel: row.get("max_parallel")?,
            max_budget: row.get("max_budget")?,
            budget_period: period.map_err(|error| row.unreadable("budget_period", &error))?,
        })
    }
}
