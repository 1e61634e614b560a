use serde_json::Value;

use super::LiteError;
use super::fields::{amount, count, text};
use crate::keys::{Edit, LimitsEdit};

/// Takes a field that is a limit, of a key or of a team; false if it is none.
pub(super) fn take(edit: &mut LimitsEdit, name: &str, value: &Value) -> Result<bool, LiteError> {
    match name {
        "rpm_limit" => edit.rpm = Edit::Set(count(name, value)?),
        "tpm_limit" => edit.tpm = Edit::Set(count(name, value)?),
        "max_parallel_requests" => edit.max_parallel = Edit::Set(count(name, value)?),
        "max_budget" => edit.max_budget = Edit::Set(amount(name, value)?),
        "budget_duration" => edit.budget_period = Edit::Set(period(name, value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn period(name: &str, value: &Value) -> Result<Option<snapshot::Period>, LiteError> {
    let word = text(name, value.clone())?.filter(|word| !word.is_empty());
    let parsed = word.map(|word| word.parse::<snapshot::Period>()).transpose();
    parsed.map_err(|unfit| LiteError::bad_request(Some(name), format!("{name} {unfit}")))
}
