#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::extract::State;
use axum::response::Response;
use ledger::Nanos;
use serde::{Deserialize, Serialize};
use snapshot::MASTER_KEY_ID;
use store::{KeyRow, UsageBy, UsageFilter, UsageRow};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::Params;
use super::page::Page;
use crate::Manager;

/// Which usage, and what makes a row.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageParams {
    /// How many rows at most: 1 to 1,000; 100 unless given.
    limit: Option<u32>,
    /// Where to go on, as the `link` of the page before says.
    cursor: Option<String>,
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
    /// One a group, by day, key and model: those of this page.
    rows: Vec<UsageView>,
    /// All groups together, those of other pages too.
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
    (status = 200, body = Usage, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn usage(
    State(manager): State<Manager>,
    Params(params): Params<UsageParams>,
) -> Result<Response, Problem> {
    let page = Page::<[String; 3]>::read(params.limit, params.cursor.as_deref())?;
    let keys = manager.inner().keys.rows();
    let by = groups(&params.by)?;
    let filter = UsageFilter {
        from: params.from.map(|day| check_day("from", &day)).transpose()?,
        to: params.to.map(|day| check_day("to", &day)).transpose()?,
        key: params.key.map(|name| key_id(&manager, &keys, name)).transpose()?,
        model: params.model,
        after: None,
        limit: None,
    };
    if let (Some(from), Some(to)) = (&filter.from, &filter.to)
        && from > to
    {
        let message = format!("the first day, {from}, is after the last, {to}");
        return Err(Problem::unfit_pair(["from", "to"], &message));
    }
    let books = manager.store().events();
    let total = books.usage(UsageBy::default(), &filter).await?;
    let total = total.iter().fold(UsageView::default(), UsageView::plus);
    let rows = UsageFilter { after: page.after.clone(), limit: Some(page.rows()), ..filter };
    let rows = page.of_rest(books.usage(by, &rows).await?, place).map(|row| UsageView::new(row, &keys));
    Ok(rows.within(|rows| Usage { rows, total }))
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

/// Where a row stands among all.
fn place(row: &UsageRow) -> [String; 3] {
    [&row.day, &row.key, &row.model].map(|part| part.clone().unwrap_or_default())
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
