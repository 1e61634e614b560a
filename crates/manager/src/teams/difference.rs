use store::TeamRow;

/// Names of the fields that were changed, as the admin API calls them; never what they hold.
pub(super) fn difference(old: &TeamRow, new: &TeamRow) -> Vec<&'static str> {
    let all = [
        ("alias", old.alias != new.alias),
        ("models", old.models != new.models),
        ("rpm", old.limits.rpm != new.limits.rpm),
        ("tpm", old.limits.tpm != new.limits.tpm),
        ("max_parallel", old.limits.max_parallel != new.limits.max_parallel),
        ("max_budget", old.limits.max_budget != new.limits.max_budget),
        ("budget_period", old.limits.budget_period != new.limits.budget_period),
        ("blocked", old.blocked != new.blocked),
        ("metadata", old.metadata != new.metadata),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
}
