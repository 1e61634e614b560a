use serde_json::Value;

use super::KeyFields;

/// Bytes that an alias may have.
const ALIAS_BYTES: usize = 256;
/// Models that an allow-list may name.
const MODELS: usize = 1_000;
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
    let unfit = |field, message: String| Err(UnfitField { field, message });
    if let Some(alias) = &fields.alias
        && (!is_name(alias, ALIAS_BYTES) || alias.trim().is_empty())
    {
        return unfit("alias", format!("must have 1 to {ALIAS_BYTES} bytes, not all blank, and no control characters"));
    }
    if fields.models.len() > MODELS {
        return unfit("models", format!("must name at most {MODELS} models"));
    }
    if !fields.models.iter().all(|model| is_name(model, spec::limits::NAME_BYTES)) {
        return unfit("models", "must hold names of models".to_owned());
    }
    if fields.max_budget.is_some_and(|budget| budget.0 < 0) {
        return unfit("max_budget", "must not be negative".to_owned());
    }
    if Value::from(fields.metadata.clone()).to_string().len() > METADATA_BYTES {
        return unfit("metadata", format!("must have at most {METADATA_BYTES} bytes"));
    }
    Ok(())
}

fn is_name(text: &str, bytes: usize) -> bool {
    (1..=bytes).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use ledger::Nanos;
    use serde_json::Map;

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
        assert_eq!(field(KeyFields { max_budget: Some(Nanos(-1)), ..KeyFields::default() }), "max_budget");
        let metadata = Map::from_iter([("a".to_owned(), Value::from("x".repeat(70_000)))]);
        assert_eq!(field(KeyFields { metadata, ..KeyFields::default() }), "metadata");
    }
}
