use store::KeyRow;

/// Names of the fields that were changed, as the admin API calls them; never what they hold.
pub(super) fn difference(old: &KeyRow, new: &KeyRow) -> Vec<&'static str> {
    let all = [
        ("key", old.hash != new.hash),
        ("alias", old.alias != new.alias),
        ("models", old.models != new.models),
        ("aliases", old.aliases != new.aliases),
        ("rpm", old.limits.rpm != new.limits.rpm),
        ("tpm", old.limits.tpm != new.limits.tpm),
        ("max_parallel", old.limits.max_parallel != new.limits.max_parallel),
        ("max_budget", old.limits.max_budget != new.limits.max_budget),
        ("budget_period", old.limits.budget_period != new.limits.budget_period),
        ("owner", old.owner != new.owner),
        ("team", old.team != new.team),
        ("tags", old.tags != new.tags),
        ("retries", old.retries != new.retries),
        ("strategy", old.routing.strategy != new.routing.strategy),
        ("fallbacks", old.routing.fallbacks != new.routing.fallbacks),
        ("disable_fallbacks", old.routing.disable_fallbacks != new.routing.disable_fallbacks),
        ("expires_at", old.expires_at != new.expires_at),
        ("blocked", old.blocked != new.blocked),
        ("metadata", old.metadata != new.metadata),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
}
