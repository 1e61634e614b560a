use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use store::RowLimits;

use super::KeyFields;

/// Bytes that an alias may have.
pub(crate) const ALIAS_BYTES: usize = 256;
/// Models that an allow-list may name.
const MODELS: usize = 1_000;
/// Tags that a key may have.
const TAGS: usize = 32;
/// Bytes that metadata may have as JSON.
const METADATA_BYTES: usize = 64 << 10;

/// A field of a key cannot be what it was set to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub(crate) struct UnfitField {
    /// Name of the field in the admin API.
    pub(crate) field: &'static str,
    /// What is wrong.
    pub(crate) message: String,
}

/// Whether a key can be so.
pub(super) fn check(fields: &KeyFields) -> Result<(), UnfitField> {
    if let Some(alias) = &fields.alias {
        check_name("alias", alias, ALIAS_BYTES)?;
    }
    if let Some(owner) = &fields.owner {
        check_name("owner", owner, ALIAS_BYTES)?;
    }
    check_models(&fields.models)?;
    if fields.aliases.len() > MODELS {
        return unfit("aliases", format!("must have at most {MODELS} names"));
    }
    let is_model = |name: &String| is_name(name, spec::limits::NAME_BYTES);
    if !fields.aliases.iter().all(|(alias, name)| is_model(alias) && is_model(name)) {
        return unfit("aliases", "must hold names of models under other names".to_owned());
    }
    if fields.tags.len() > TAGS || !fields.tags.iter().all(|tag| is_name(tag, ALIAS_BYTES)) {
        return unfit("tags", format!("must be at most {TAGS} words of 1 to {ALIAS_BYTES} bytes"));
    }
    if fields.retries.is_some_and(|retries| !spec::limits::RETRIES.contains(&retries)) {
        return unfit("retries", format!("must be 0 to {}", spec::limits::RETRIES.end()));
    }
    check_fallbacks(&fields.routing.fallbacks)?;
    check_limits(&fields.limits)?;
    check_metadata(&fields.metadata)
}

/// Whether these can take over from those.
fn check_fallbacks(fallbacks: &BTreeMap<Arc<str>, Vec<Arc<str>>>) -> Result<(), UnfitField> {
    let most = spec::limits::MAX_FALLBACKS as usize;
    let is_model = |name: &Arc<str>| is_name(name, spec::limits::NAME_BYTES);
    if fallbacks.len() > MODELS || !fallbacks.iter().all(|(name, others)| is_model(name) && others.iter().all(is_model))
    {
        return unfit("fallbacks", format!("must hold lists of models under the names of at most {MODELS} models"));
    }
    match fallbacks.iter().find(|(name, others)| others.len() > most || others.contains(name)) {
        Some((name, others)) if others.contains(name) => {
            unfit("fallbacks", format!("must not let a model take over from itself, as `{name}` does"))
        }
        Some((name, others)) => {
            let given = others.len();
            unfit("fallbacks", format!("must name at most {most} models for each; for `{name}` there are {given}"))
        }
        None => Ok(()),
    }
}

/// Whether something can be called so: not blank, no control characters.
pub(crate) fn check_name(field: &'static str, name: &str, bytes: usize) -> Result<(), UnfitField> {
    if is_name(name, bytes) && !name.trim().is_empty() {
        return Ok(());
    }
    unfit(field, format!("must have 1 to {bytes} bytes, not all blank, and no control characters"))
}

/// Whether an allow-list can be so.
pub(crate) fn check_models(models: &[String]) -> Result<(), UnfitField> {
    if models.len() > MODELS {
        return unfit("models", format!("must name at most {MODELS} models"));
    }
    if !models.iter().all(|model| is_name(model, spec::limits::NAME_BYTES)) {
        return unfit("models", "must hold names of models".to_owned());
    }
    Ok(())
}

/// Whether limits can be so.
pub(crate) fn check_limits(limits: &RowLimits) -> Result<(), UnfitField> {
    if limits.max_budget.is_some_and(|budget| budget.0 < 0) {
        return unfit("max_budget", "must not be negative".to_owned());
    }
    Ok(())
}

/// Whether so much can be attached.
pub(crate) fn check_metadata(metadata: &Map<String, Value>) -> Result<(), UnfitField> {
    if Value::from(metadata.clone()).to_string().len() > METADATA_BYTES {
        return unfit("metadata", format!("must have at most {METADATA_BYTES} bytes"));
    }
    Ok(())
}

fn unfit<T>(field: &'static str, message: String) -> Result<T, UnfitField> {
    Err(UnfitField { field, message })
}

fn is_name(text: &str, bytes: usize) -> bool {
    (1..=bytes).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use ledger::Nanos;

    use super::*;

    #[test]
    fn what_no_key_can_be_is_named() {
        let field = |fields: KeyFields| check(&fields).unwrap_err().field;
        let alias = |text: &str| KeyFields { alias: Some(text.to_owned()), ..KeyFields::default() };
        assert_eq!(check(&alias("team/a b")), Ok(()));
        assert_eq!(field(alias("")), "alias");
        assert_eq!(field(alias(" \u{a0}")), "alias");
        assert_eq!(field(alias("a\nb")), "alias");
        assert_eq!(field(KeyFields { models: vec![String::new()], ..KeyFields::default() }), "models");
        assert_eq!(field(KeyFields { models: vec!["m".into(); 1_001], ..KeyFields::default() }), "models");
        let limits = RowLimits { max_budget: Some(Nanos(-1)), ..RowLimits::default() };
        assert_eq!(field(KeyFields { limits, ..KeyFields::default() }), "max_budget");
        assert_eq!(field(KeyFields { tags: vec![String::new()], ..KeyFields::default() }), "tags");
        assert_eq!(field(KeyFields { owner: Some(" ".into()), ..KeyFields::default() }), "owner");
        assert_eq!(field(KeyFields { retries: Some(8), ..KeyFields::default() }), "retries");
        let fallbacks = |others: &[&str]| {
            let others = others.iter().map(|name| Arc::from(*name)).collect();
            let fallbacks = BTreeMap::from([("m".into(), others)]);
            KeyFields { routing: snapshot::KeyRouting { fallbacks, ..Default::default() }, ..KeyFields::default() }
        };
        assert_eq!(check(&fallbacks(&["n"])), Ok(()));
        for wrong in [&["m"][..], &["n"; 17], &[""]] {
            assert_eq!(field(fallbacks(wrong)), "fallbacks");
        }
        let metadata = Map::from_iter([("a".to_owned(), Value::from("x".repeat(70_000)))]);
        assert_eq!(field(KeyFields { metadata, ..KeyFields::default() }), "metadata");
    }
}
