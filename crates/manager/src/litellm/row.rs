use ambient::Timestamp;
use ledger::Nanos;
use serde_json::{Map, Value, json};
use snapshot::Secret;
use store::KeyRow;

use super::USER;
use crate::Manager;
use crate::budgets::RunSpend;
use crate::compiler::key_period;

/// Fields of LiteLLM's that have no counterpart here; clients expect them to be there.
#[derive(Clone, Copy)]
pub(super) struct Blanks {
    pub(super) nulls: &'static [&'static str],
    pub(super) lists: &'static [&'static str],
    pub(super) objects: &'static [&'static str],
}

const TABLE: Blanks = Blanks {
    nulls: &[
        "agent_id",
        "project_id",
        "tpd_limit",
        "budget_id",
        "organization_id",
        "object_permission_id",
        "settings_updated_at",
        "last_active",
        "rotation_interval",
        "last_rotation_at",
        "key_rotation_at",
        "budget_limits",
        "litellm_budget_table",
        "litellm_organization_table",
        "litellm_project_table",
        "object_permission",
        "jwt_key_mappings",
    ],
    lists: &["allowed_cache_controls", "allowed_routes", "policies", "access_group_ids"],
    objects: &["config", "permissions", "model_spend", "model_max_budget", "budget_fallbacks"],
};

const ISSUED: Blanks = Blanks {
    nulls: &[
        "duration",
        "agent_id",
        "tpd_limit",
        "budget_limits",
        "budget_id",
        "model_rpm_limit",
        "model_tpm_limit",
        "guardrails",
        "policies",
        "prompts",
        "object_permission",
        "enforced_params",
        "organization_id",
        "project_id",
        "litellm_budget_table",
    ],
    lists: &["allowed_cache_controls", "allowed_routes", "access_group_ids"],
    objects: &["config", "permissions", "model_max_budget", "budget_fallbacks"],
};

// === impl Blanks ===

impl Blanks {
    /// The blanks, with `known` fields among them.
    pub(super) fn around(self, known: Value) -> Map<String, Value> {
        let blank =
            |names: &'static [&'static str], value: Value| names.iter().map(move |n| ((*n).to_owned(), value.clone()));
        let mut all: Map<_, _> = blank(self.nulls, Value::Null)
            .chain(blank(self.lists, json!([])))
            .chain(blank(self.objects, json!({})))
            .collect();
        if let Value::Object(known) = known {
            all.extend(known);
        }
        all
    }
}

/// What something spent by the books.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// In all.
    pub(super) total: Nanos,
    /// In the present period of its budget, if it has one: what LiteLLM sets to nothing at the period's end.
    pub(super) run: Option<RunSpend>,
}

// === impl Spent ===

impl Spent {
    /// Reads what a key spent.
    pub(super) async fn by_key(manager: &Manager, key: &KeyRow) -> Result<Self, store::Error> {
        let total = manager.store().events().spend_of(&key.id).await?.cost;
        let period = key_period(key);
        let run = manager
            .budgets(period)
            .await?
            .run(period, |spending| spending.keys.get(&key.id).copied().unwrap_or_default());
        Ok(Self { total, run })
    }

    /// In the words of LiteLLM's `spend`.
    pub(super) fn spend(&self) -> f64 {
        self.run.map_or(self.total, |run| run.spent).as_units()
    }

    /// In the words of LiteLLM's `budget_reset_at`.
    pub(super) fn resets_at(&self) -> Option<String> {
        self.run.map(|run| moment(run.resets_at))
    }
}

/// A key as its row in LiteLLM's table shows it.
pub(super) fn table(key: &KeyRow, spent: &Spent) -> Map<String, Value> {
    TABLE.around(json!({
        "token": key.hash.to_string(), "key_name": key.key_name, "key_alias": key.alias,
        "soft_budget_cooldown": false, "spend": spent.spend(), "total_spend": spent.total.as_units(),
        "expires": key.expires_at.map(moment), "models": key.models, "aliases": key.aliases,
        "max_parallel_requests": key.limits.max_parallel, "metadata": key.metadata, "blocked": key.blocked,
        "rpm_limit": key.limits.rpm, "tpm_limit": key.limits.tpm,
        "max_budget": key.limits.max_budget.map(Nanos::as_units),
        "budget_duration": key.limits.budget_period.map(|period| period.to_string()),
        "budget_reset_at": spent.resets_at(), "user_id": key.owner, "team_id": key.team,
        "router_settings": router_settings(key), "key_type": "default",
        "created_at": moment(key.created_at), "created_by": USER, "updated_at": moment(key.updated_at),
        "updated_by": USER, "rotation_count": 0, "auto_rotate": false, "tags": key.tags,
    }))
}

/// A key whose secret was made just now.
pub(super) fn issued(key: &KeyRow, secret: &Secret, spent: &Spent) -> Map<String, Value> {
    ISSUED.around(json!({
        "key": secret.expose(), "key_alias": key.alias, "models": key.models, "aliases": key.aliases,
        "spend": spent.spend(), "max_budget": key.limits.max_budget.map(Nanos::as_units),
        "budget_duration": key.limits.budget_period.map(|period| period.to_string()),
        "max_parallel_requests": key.limits.max_parallel, "metadata": key.metadata, "rpm_limit": key.limits.rpm,
        "tpm_limit": key.limits.tpm, "user_id": key.owner, "team_id": key.team, "blocked": key.blocked,
        "tags": if key.tags.is_empty() { Value::Null } else { json!(key.tags) },
        "router_settings": router_settings(key), "key_name": key.key_name, "key_type": "default",
        "expires": key.expires_at.map(moment_z), "token_id": key.hash.to_string(), "token": key.hash.to_string(),
        "created_by": USER, "updated_by": USER, "created_at": moment_z(key.created_at),
        "updated_at": moment_z(key.updated_at),
    }))
}

fn router_settings(key: &KeyRow) -> Value {
    let mut settings = Map::new();
    if let Some(retries) = key.retries {
        settings.insert("num_retries".to_owned(), retries.into());
    }
    if let Some(strategy) = key.routing.strategy {
        settings.insert("routing_strategy".to_owned(), strategy.as_str().into());
    }
    if !key.routing.fallbacks.is_empty() {
        let list = key.routing.fallbacks.iter().map(|(model, others)| json!({ &**model: others }));
        settings.insert("fallbacks".to_owned(), list.collect());
    }
    settings.into()
}

/// Adds what did not go as one may expect: a field that LiteLLM does not have, there only if there is something to say.
pub(super) fn warn(answer: &mut Map<String, Value>, warning: Option<String>) {
    if let Some(warning) = warning {
        answer.insert("warnings".to_owned(), json!([warning]));
    }
}

/// What LiteLLM calls the state of a key.
pub(super) fn status(key: &KeyRow, now: Timestamp) -> &'static str {
    match key.expires_at {
        _ if key.blocked => "revoked",
        Some(at) if now >= at => "expired",
        _ => "active",
    }
}

/// A moment with microseconds and `Z`.
pub(super) fn moment_z(at: Timestamp) -> String {
    format!("{}Z", digits(at))
}

/// A moment with microseconds and `+00:00`.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{}+00:00", digits(at))
}

fn digits(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_six_digits() {
        let at = Timestamp::from_micros(1_795_188_362_000_050);
        assert_eq!(moment_z(at), "2026-11-20T15:26:02.000050Z");
        assert_eq!(moment(at), "2026-11-20T15:26:02.000050+00:00");
    }
}
