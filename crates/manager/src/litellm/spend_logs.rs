use std::collections::BTreeMap;

use ambient::Timestamp;
use axum::Json;
use axum::extract::{Query, State};
use jiff::ToSpan as _;
use jiff::civil::Date;
use ledger::Nanos;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use snapshot::MASTER_KEY_ID;
use store::{KeyRow, LoggedEvent, LogsFilter, UsageBy, UsageFilter};

use super::fields::lookup;
use super::row::moment_z;
use super::{LiteError, MASTER};
use crate::Manager;

/// Rows unless asked otherwise, and at most.
const ROWS: (u32, u32) = (1_000, 10_000);
/// Days that a summary spans at most.
const DAYS: i32 = 3_660;

/// Which requests.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LogsParams {
    /// A key as it is presented, or its hash.
    api_key: Option<String>,
    request_id: Option<String>,
    /// First day (UTC).
    start_date: Option<String>,
    /// Last day (UTC), included.
    end_date: Option<String>,
    /// With days: sums a day instead of rows; so unless told otherwise.
    summarize: Option<bool>,
    /// No key here belongs to a user: asked for the requests of one, there are none.
    user_id: Option<String>,
    page: Option<u64>,
    page_size: Option<u32>,
}

/// `GET /spend/logs`
pub(super) async fn spend_logs(
    State(manager): State<Manager>,
    Query(params): Query<LogsParams>,
) -> Result<Json<Vec<Value>>, LiteError> {
    if params.user_id.as_ref().is_some_and(|user| !user.is_empty()) {
        return Ok(Json(Vec::new()));
    }
    let keys = manager.inner().keys.rows();
    let key = params.api_key.as_deref().map(|key| key_id(&keys, key));
    let days = days(&params)?;
    match days {
        Some(days) if params.summarize != Some(false) => summary(&manager, &keys, key, days).await,
        days => rows(&manager, &keys, key, days, &params).await,
    }
}

async fn rows(
    manager: &Manager,
    keys: &[KeyRow],
    key: Option<String>,
    days: Option<(Date, Date)>,
    params: &LogsParams,
) -> Result<Json<Vec<Value>>, LiteError> {
    let limit = params.page_size.unwrap_or(ROWS.0).clamp(1, ROWS.1);
    let filter = LogsFilter {
        key,
        request_id: params.request_id.clone(),
        from: days.map(|(first, _)| midnight(first)),
        before: days.map(|(_, last)| midnight(last.saturating_add(1.day()))),
        offset: params.page.unwrap_or(1).saturating_sub(1).saturating_mul(u64::from(limit)),
        limit,
    };
    let events = manager.store().events().logs(&filter).await?;
    Ok(Json(events.iter().map(|event| log_row(event, keys)).collect()))
}

/// One object a day: what was spent in all, by key and by model. Days at the end without a request are there too.
async fn summary(
    manager: &Manager,
    keys: &[KeyRow],
    key: Option<String>,
    (first, last): (Date, Date),
) -> Result<Json<Vec<Value>>, LiteError> {
    let by = UsageBy { key: true, model: true, day: true };
    let filter =
        UsageFilter { from: Some(first.to_string()), to: Some(last.to_string()), key, ..UsageFilter::default() };
    let mut days: BTreeMap<String, Day> = BTreeMap::new();
    for row in manager.store().events().usage(by, &filter).await? {
        let day = days.entry(row.day.unwrap_or_default()).or_default();
        day.total += row.cost;
        *day.keys.entry(token(keys, &row.key.unwrap_or_default())).or_default() += row.cost;
        *day.models.entry(row.model.unwrap_or_default()).or_default() += row.cost;
    }
    if let Some(filled) = days.keys().next_back().and_then(|day| day.parse::<Date>().ok()) {
        let missing = filled.series(1.day()).skip(1).take_while(|day| *day <= last);
        for day in missing {
            days.entry(day.to_string()).or_default();
        }
    }
    Ok(Json(days.into_iter().map(|(day, sums)| sums.into_value(&day)).collect()))
}

/// Sums of one day.
#[derive(Debug, Default)]
struct Day {
    total: Nanos,
    keys: BTreeMap<String, Nanos>,
    models: BTreeMap<String, Nanos>,
}

// === impl Day ===

impl Day {
    fn into_value(self, day: &str) -> Value {
        let models: Map<_, _> = self.models.into_iter().map(|(name, cost)| (name, cost.as_units().into())).collect();
        let mut all = Map::from_iter([
            ("startTime".to_owned(), day.into()),
            ("spend".to_owned(), self.total.as_units().into()),
            ("users".to_owned(), json!({})),
            ("models".to_owned(), models.into()),
        ]);
        all.extend(self.keys.into_iter().map(|(token, cost)| (token, cost.as_units().into())));
        all.into()
    }
}

fn log_row(event: &LoggedEvent, keys: &[KeyRow]) -> Value {
    let token = token(keys, &event.key);
    let alias = keys.iter().find(|key| key.id == event.key).and_then(|key| key.alias.as_deref());
    let status = if matches!(event.outcome.as_str(), "completed" | "disconnected") { "success" } else { "failure" };
    let first_byte = event.first_byte_micros.unwrap_or_default();
    let answered = Timestamp::from_micros(event.opened_at.as_micros().saturating_add_unsigned(first_byte));
    let usage = &event.usage;
    let mut row = json!({
        "request_id": event.request_id, "call_type": call_type(&event.surface), "api_key": token,
        "spend": event.cost.as_units(), "total_tokens": usage.total_tokens(), "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens, "startTime": moment_z(event.opened_at),
        "endTime": moment_z(event.closed_at), "completionStartTime": moment_z(answered),
        "request_duration_ms": event.closed_at.since(event.opened_at).as_millis(), "model": event.model,
        "model_id": event.attempts.last().map_or("", |attempt| &*attempt.deployment), "model_group": event.model,
        "custom_llm_provider": "openai", "status": status, "metadata": {
            "status": status, "user_api_key": token, "user_api_key_alias": alias,
            "attempted_retries": event.attempts.len().saturating_sub(1),
            "attempted_fallbacks": u8::from(event.requested_model.is_some()),
            "requested_model": event.requested_model, "attempts": event.attempts, "outcome": event.outcome,
            "usage_source": event.usage_source, "usage_object": {
                "prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens,
                "total_tokens": usage.total_tokens(),
                "prompt_tokens_details": { "cached_tokens": usage.cached_tokens },
            },
        },
    });
    let cache_hit = if event.usage_source == "cache" { "True" } else { "False" };
    let blanks = json!({
        "api_base": "", "user": "", "cache_hit": cache_hit, "cache_key": "", "request_tags": event.tags,
        "team_id": event.team, "organization_id": null, "end_user": "", "requester_ip_address": null, "session_id": null, "messages": {},
        "response": {}, "proxy_server_request": {}, "mcp_namespaced_tool_name": null, "agent_id": null,
    });
    if let (Value::Object(row), Value::Object(blanks)) = (&mut row, blanks) {
        row.extend(blanks);
    }
    row
}

/// What LiteLLM calls a surface.
fn call_type(surface: &str) -> &str {
    match surface {
        "chat/completions" => "acompletion",
        "completions" => "atext_completion",
        "embeddings" => "aembedding",
        other => other,
    }
}

/// What stands for a key in LiteLLM's answers.
fn token(keys: &[KeyRow], id: &str) -> String {
    if id == MASTER_KEY_ID {
        return MASTER.to_owned();
    }
    keys.iter().find(|key| key.id == id).map_or_else(|| id.to_owned(), |key| key.hash.to_string())
}

/// The id of a key that is named as clients of LiteLLM do, deleted ones included; an unknown one matches nothing.
fn key_id(keys: &[KeyRow], asked: &str) -> String {
    if asked == MASTER {
        return MASTER_KEY_ID.to_owned();
    }
    let name = lookup(asked);
    keys.iter().find(|key| key.hash.to_string() == name || key.id == name).map_or(name, |key| key.id.clone())
}

fn days(params: &LogsParams) -> Result<Option<(Date, Date)>, LiteError> {
    let day = |field: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match text.parse::<Date>() {
            Ok(day) => Ok(Some(day)),
            Err(_) => Err(LiteError::bad_request(Some(field), format!("{field} is no day; write it as 2026-11-20"))),
        },
    };
    match (day("start_date", &params.start_date)?, day("end_date", &params.end_date)?) {
        (None, None) => Ok(None),
        (Some(first), Some(last)) if first.saturating_add(DAYS.days()) >= last => Ok(Some((first, last))),
        (Some(_), Some(_)) => Err(LiteError::bad_request(Some("end_date"), "ten years at most can be summed up")),
        _ => Err(LiteError::bad_request(Some("start_date"), "give both start_date and end_date, or neither")),
    }
}

fn midnight(day: Date) -> Timestamp {
    let zoned = day.to_zoned(jiff::tz::TimeZone::UTC);
    Timestamp::from_micros(zoned.map_or(0, |zoned| zoned.timestamp().as_microsecond()))
}
