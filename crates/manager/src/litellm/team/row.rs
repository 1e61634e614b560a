use ledger::Nanos;
use serde_json::{Map, Value, json};
use store::{Spending, TeamRow};

use crate::litellm::row::{Blanks, Spent, moment_z};

/// Fields of LiteLLM's that have no counterpart here; clients expect them to be there.
const TEAM: Blanks = Blanks {
    nulls: &[
        "organization_id",
        "tpd_limit",
        "soft_budget",
        "budget_limits",
        "model_id",
        "litellm_model_table",
        "object_permission",
        "object_permission_id",
    ],
    lists: &[
        "admins",
        "members",
        "members_with_roles",
        "team_member_permissions",
        "access_group_ids",
        "default_team_member_models",
        "policies",
    ],
    objects: &["router_settings", "model_spend", "model_max_budget"],
};

/// A team as its row in LiteLLM's table shows it.
pub(super) fn table(team: &TeamRow, spent: &Spent) -> Map<String, Value> {
    TEAM.around(json!({
        "team_alias": team.alias, "team_id": team.id, "metadata": team.metadata, "models": team.models,
        "tpm_limit": team.limits.tpm, "rpm_limit": team.limits.rpm,
        "max_parallel_requests": team.limits.max_parallel,
        "max_budget": team.limits.max_budget.map(Nanos::as_units),
        "budget_duration": team.limits.budget_period.map(|period| period.to_string()),
        "budget_reset_at": spent.resets_at(), "blocked": team.blocked, "spend": spent.spend(),
        "allow_team_guardrail_config": false, "created_at": moment_z(team.created_at),
        "updated_at": moment_z(team.updated_at),
    }))
}

/// What a team spent.
pub(super) fn spent_by(spending: &Spending, id: &str) -> Nanos {
    spending.teams.get(id).copied().unwrap_or_default()
}
