use ambient::Timestamp;
use ledger::Nanos;
use serde_json::{Map, Value, json};
use snapshot::Secret;
use store::KeyRow;

use super::USER;

/// Fields of LiteLLM's that have no counterpart here; clients expect them to be there.
#[derive(Clone, Copy)]
struct Blanks {
    nulls: &'static [&'static str],
    lists: &'static [&'static str],
    objects: &'static [&'static str],
}

const TABLE: Blanks = Blanks {
    nulls: &[
        "user_id",
        "team_id",
        "agent_id",
        "project_id",
        "tpm_limit",
        "tpd_limit",
        "budget_duration",
        "budget_reset_at",
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
    objects: &[
        "aliases",
        "config",
        "router_settings",
        "permissions",
        "model_spend",
        "model_max_budget",
        "budget_fallbacks",
    ],
};

const ISSUED: Blanks = Blanks {
    nulls: &[
        "duration",
        "user_id",
        "team_id",
        "agent_id",
        "tpm_limit",
        "tpd_limit",
        "budget_duration",
        "budget_limits",
        "budget_id",
        "model_rpm_limit",
        "model_tpm_limit",
        "guardrails",
        "policies",
        "prompts",
        "object_permission",
        "tags",
        "enforced_params",
        "organization_id",
        "project_id",
        "litellm_budget_table",
    ],
    lists: &["allowed_cache_controls", "allowed_routes", "access_group_ids"],
    objects: &["aliases", "config", "permissions", "model_max_budget", "budget_fallbacks", "router_settings"],
};

// === impl Blanks ===

impl Blanks {
    /// The blanks, with `known` fields among them.
    fn around(self, known: Value) -> Map<String, Value> {
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

/// A key as its row in LiteLLM's table shows it.
pub(super) fn table(key: &KeyRow, spend: Nanos) -> Map<String, Value> {
    TABLE.around(json!({
        "token": key.hash.to_string(), "key_name": key.key_name, "key_alias": key.alias,
        "soft_budget_cooldown": false, "spend": spend.as_units(), "total_spend": spend.as_units(),
        "expires": key.expires_at.map(moment), "models": key.models, "max_parallel_requests": key.max_parallel,
        "metadata": key.metadata, "blocked": key.blocked, "rpm_limit": key.rpm,
        "max_budget": key.max_budget.map(Nanos::as_units), "key_type": "default",
        "created_at": moment(key.created_at), "created_by": USER, "updated_at": moment(key.updated_at),
        "updated_by": USER, "rotation_count": 0, "auto_rotate": false,
    }))
}

/// A key whose secret was made just now.
pub(super) fn issued(key: &KeyRow, secret: &Secret, spend: Nanos) -> Map<String, Value> {
    ISSUED.around(json!({
        "key": secret.expose(), "key_alias": key.alias, "models": key.models, "spend": spend.as_units(),
        "max_budget": key.max_budget.map(Nanos::as_units), "max_parallel_requests": key.max_parallel,
        "metadata": key.metadata, "rpm_limit": key.rpm, "blocked": key.blocked, "key_name": key.key_name,
        "key_type": "default", "expires": key.expires_at.map(moment_z), "token_id": key.hash.to_string(),
        "token": key.hash.to_string(), "created_by": USER, "updated_by": USER,
        "created_at": moment_z(key.created_at), "updated_at": moment_z(key.updated_at),
    }))
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
fn moment(at: Timestamp) -> String {
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
