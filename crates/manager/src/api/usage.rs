#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::Json;
use axum::extract::State;
use ledger::Nanos;
use serde::{Deserialize, Serialize};
use snapshot::MASTER_KEY_ID;
use store::{KeyRow, UsageBy, UsageFilter, UsageRow};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::Params;
use crate::Manager;

/// Which usage, and what makes a row.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageParams {
    /// What rows are told apart by: any of `key`, `model` and `day`, separated by commas.
    #[serde(default)]
    by: String,
    /// First day (UTC), as `2026-11-20`.
    from: Option<String>,
    /// Last day (UTC), included.
    to: Option<String>,
    /// Only this key: id, hash or alias.
    key: Option<String>,
    /// Only this model.
    model: Option<String>,
}

/// What was used.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Usage {
    /// One a group, by day, key and model.
    rows: Vec<UsageView>,
    /// All of them together.
    total: UsageView,
}

/// What one group used.
#[derive(Debug, Default, Serialize, ToSchema)]
struct UsageView {
    /// Id of the key, where rows are told apart by it.
    key: Option<String>,
    /// Its alias, also if it is deleted by now.
    alias: Option<String>,
    /// Name of the model, where rows are told apart by it.
    model: Option<String>,
    /// The day (UTC), where rows are told apart by it.
    day: Option<String>,
    /// Requests that were admitted and have ended.
    requests: u64,
    /// Those that failed or were interrupted.
    failed: u64,
    /// Tokens of prompts, cached ones included.
    prompt_tokens: u64,
    /// Tokens of prompts that engines had cached.
    cached_tokens: u64,
    /// Tokens of answers.
    completion_tokens: u64,
    /// What it cost, in units of the currency.
    cost: f64,
    /// The same in thousand-millionths: exact.
    cost_nanos: i64,
}

/// What was used and what it cost
#[utoipa::path(get, path = "/usage", params(UsageParams), responses(
    (status = 200, body = Usage),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn usage(
    State(manager): State<Manager>,
    Params(params): Params<UsageParams>,
) -> Result<Json<Usage>, Problem> {
    let keys = manager.inner().keys.rows();
    let by = groups(&params.by)?;
    let filter = UsageFilter {
        from: params.from.map(|day| check_day("from", &day)).transpose()?,
        to: params.to.map(|day| check_day("to", &day)).transpose()?,
        key: params.key.map(|name| key_id(&manager, &keys, name)).transpose()?,
        model: params.model,
    };
    if let (Some(from), Some(to)) = (&filter.from, &filter.to)
        && from > to
    {
        let message = format!("the first day, {from}, is after the last, {to}");
        return Err(Problem::unfit_pair(["from", "to"], &message));
    }
    let rows = manager.store().events().usage(by, &filter).await?;
    let total = rows.iter().fold(UsageView::default(), UsageView::plus);
    Ok(Json(Usage { rows: rows.into_iter().map(|row| UsageView::new(row, &keys)).collect(), total }))
}

// === impl UsageView ===

impl UsageView {
    fn new(row: UsageRow, keys: &[KeyRow]) -> Self {
        let alias = keys.iter().find(|key| Some(&key.id) == row.key.as_ref()).and_then(|key| key.alias.clone());
        let numbers = Self::default().plus(&row);
        Self { key: row.key, alias, model: row.model, day: row.day, ..numbers }
    }

    fn plus(self, row: &UsageRow) -> Self {
        let cost_nanos = self.cost_nanos.saturating_add(row.cost.0);
        Self {
            requests: self.requests + row.requests,
            failed: self.failed + row.failed,
            prompt_tokens: self.prompt_tokens.saturating_add(row.prompt_tokens),
            cached_tokens: self.cached_tokens.saturating_add(row.cached_tokens),
            completion_tokens: self.completion_tokens.saturating_add(row.completion_tokens),
            cost: Nanos(cost_nanos).as_units(),
            cost_nanos,
            ..self
        }
    }
}

fn groups(by: &str) -> Result<UsageBy, Problem> {
    let mut groups = UsageBy::default();
    for part in by.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part {
            "key" => groups.key = true,
            "model" => groups.model = true,
            "day" => groups.day = true,
            _ => return Err(Problem::unfit("by", "must hold any of key, model and day, separated by commas")),
        }
    }
    Ok(groups)
}

fn check_day(field: &'static str, day: &str) -> Result<String, Problem> {
    match day.parse::<jiff::civil::Date>() {
        // Written anew: days are compared as text.
        Ok(date) => Ok(date.to_string()),
        Err(_) => Err(Problem::unfit(field, "is no day; write it as 2026-11-20")),
    }
}

/// Deleted keys have usage too; they are found by id, and by the alias that they had.
fn key_id(manager: &Manager, keys: &[KeyRow], name: String) -> Result<String, Problem> {
    if name == MASTER_KEY_ID {
        return Ok(name);
    }
    if let Ok(key) = manager.inner().keys.find(&name) {
        return Ok(key.id);
    }
    let deleted = keys.iter().rev().find(|key| key.id == name || key.alias.as_ref() == Some(&name));
    deleted.map(|key| key.id.clone()).ok_or_else(|| Problem::not_found("there is and was no such key"))
}
