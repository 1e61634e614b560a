use ledger::Nanos;
use snapshot::Period;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::convert::unsigned_option;

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
    pub(crate) fn of(row: &SqliteRow) -> sqlx::Result<Self> {
        let period: Option<String> = row.try_get("budget_period")?;
        let period = period.map(|word| word.parse::<Period>()).transpose();
        Ok(Self {
            rpm: unsigned_option(row.try_get("rpm")?),
            tpm: unsigned_option(row.try_get("tpm")?),
            max_parallel: unsigned_option(row.try_get("max_parallel")?),
            max_budget: row.try_get::<Option<i64>, _>("max_budget")?.map(Nanos),
            budget_period: period.map_err(|error| sqlx::Error::Decode(error.into()))?,
        })
    }
}
