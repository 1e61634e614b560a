use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::Timestamp;
use axum::body::Bytes;
use ledger::Nanos;
use serde_json::{Map, Value};
use snapshot::{KeyHash, Secret, Strategy};

use super::{LiteError, limits};
use crate::keys::{Edit, KeyEdit, UnfitAmount, after, nanos};
use crate::nul;

/// `duration` that takes an expiry away.
const NEVER: &str = "-1";
/// Words among `models` that stand for all that there are; the team's allow-list holds in any case.
const ALL_MODELS: [&str; 2] = ["all-proxy-models", "all-team-models"];
/// The word for none but what somebody else allows: an empty list is all that the team allows, so it would mean nothing.
const NO_DEFAULT_MODELS: &str = "no-default-models";

/// The fields of a request that have an effect here.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields {
    /// A key as it is presented, or its hash.
    pub(super) key: Option<String>,
    /// What a regenerated key is to be.
    pub(super) new_key: Option<Secret>,
    /// What becomes of the key.
    pub(super) edit: KeyEdit,
}

// === impl Fields ===

impl Fields {
    /// Reads a body; lengths of time are taken from `now` on.
    pub(super) fn read(body: &Bytes, now: Timestamp) -> Result<Self, LiteError> {
        let mut fields = Self::default();
        for (name, value) in object(body)? {
            fields.take(&name, value, now)?;
        }
        Ok(fields)
    }

    fn take(&mut self, name: &str, value: Value, now: Timestamp) -> Result<(), LiteError> {
        let edit = &mut self.edit;
        match name {
            "key" => self.key = text(name, value)?,
            "new_key" => self.new_key = text(name, value)?.map(Secret::new),
            "key_alias" => edit.alias = Edit::Set(text(name, value)?),
            "models" => edit.models = Edit::Set(models(name, value)?),
            "aliases" => edit.aliases = Edit::Set(aliases(name, value)?),
            "user_id" => edit.owner = Edit::Set(filled(name, value)?),
            "team_id" => edit.team = Edit::Set(filled(name, value)?),
            "tags" => edit.tags = Edit::Set(texts(name, value)?),
            "router_settings" => router_settings(edit, name, value)?,
            _ if limits::take(&mut edit.limits, name, &value)? => {}
            "duration" => edit.expires_at = expiry(text(name, value)?.as_deref(), now)?,
            "blocked" => edit.blocked = flag(name, &value)?,
            "metadata" => edit.metadata = Edit::Set(metadata(name, value)?),
            _ if is_empty(name, &value) => {}
            _ => {
                let message = format!("{name} has no effect in this version of Enginehouse; leave it out");
                return Err(LiteError::bad_request(Some(name), message));
            }
        }
        Ok(())
    }

    /// The key that is to be changed, as the key table finds it.
    pub(super) fn name(&self) -> Result<String, LiteError> {
        let key = self.key.as_deref();
        key.map(lookup).ok_or_else(|| LiteError::wrong_type("key", "missing", "Field required"))
    }
}

/// What the key table finds a key by that is named as clients of LiteLLM do: as it is presented, or by its hash.
pub(super) fn lookup(key: &str) -> String {
    if key.starts_with("sk-") { KeyHash::of(key).to_string() } else { key.to_owned() }
}

/// The object in a body; an empty body is an empty one.
pub(super) fn object(body: &Bytes) -> Result<Map<String, Value>, LiteError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => match nul::place(body) {
            Some(place) => {
                let message = format!("{place} holds a NUL character; leave it out");
                Err(LiteError::bad_request(Some(&place), message))
            }
            None => Ok(object),
        },
        Ok(_) => Err(LiteError::bad_request(None, "the body must be a JSON object")),
        Err(error) => Err(LiteError::bad_request(None, format!("the body is not JSON: {error}"))),
    }
}

/// Strings in a list.
pub(super) fn texts(name: &str, value: Value) -> Result<Vec<String>, LiteError> {
    match value {
        Value::Null => Ok(Vec::new()),
        value => serde_json::from_value(value)
            .map_err(|_| LiteError::wrong_type(name, "list_type", "Input should be a valid list of strings")),
    }
}

/// An allow-list; empty allows all.
pub(super) fn models(name: &str, value: Value) -> Result<Vec<String>, LiteError> {
    let models = texts(name, value)?;
    if models.iter().any(|model| model == NO_DEFAULT_MODELS) {
        let message = format!(
            "{name} holds {NO_DEFAULT_MODELS}, but an empty list here means all that the team allows; name the models, or block the key"
        );
        return Err(LiteError::bad_request(Some(name), message));
    }
    let allows_all = models.iter().any(|model| ALL_MODELS.contains(&model.as_str()));
    Ok(if allows_all { Vec::new() } else { models })
}

/// Whether a field that has no effect here asks for none.
pub(super) fn is_empty(name: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || (name == "key_type" && text == "default"),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(number) => name == "spend" && number.as_f64() == Some(0.0),
        Value::Bool(true) => false,
    }
}

/// Names for models.
fn aliases(name: &str, value: Value) -> Result<BTreeMap<String, String>, LiteError> {
    match value {
        Value::Null => Ok(BTreeMap::new()),
        value => serde_json::from_value(value)
            .map_err(|_| LiteError::wrong_type(name, "dict_type", "Input should be a valid dictionary of strings")),
    }
}

/// A text; an empty one is none.
fn filled(name: &str, value: Value) -> Result<Option<String>, LiteError> {
    Ok(text(name, value)?.filter(|text| !text.is_empty()))
}

/// What of the settings of a router has an effect for a key alone: `num_retries`, `routing_strategy` and `fallbacks`. They
/// take the place of all that the key had.
fn router_settings(edit: &mut KeyEdit, name: &str, value: Value) -> Result<(), LiteError> {
    let settings = match value {
        Value::Null => Map::new(),
        Value::Object(settings) => settings,
        _ => return Err(LiteError::wrong_type(name, "dict_type", "Input should be a valid dictionary")),
    };
    edit.retries = Edit::Set(None);
    edit.strategy = Edit::Set(None);
    edit.fallbacks = Edit::Set(BTreeMap::new());
    for (setting, value) in settings {
        match setting.as_str() {
            _ if is_empty(&setting, &value) => {}
            "num_retries" => {
                let count = count(name, &value)?;
                edit.retries = Edit::Set(count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)));
            }
            "routing_strategy" => edit.strategy = Edit::Set(strategy(name, value)?),
            "fallbacks" => edit.fallbacks = Edit::Set(fallbacks(name, value)?),
            _ => {
                let message = format!("{name}.{setting} has no effect in this version of Enginehouse; leave it out");
                return Err(LiteError::bad_request(Some(name), message));
            }
        }
    }
    Ok(())
}

fn strategy(name: &str, value: Value) -> Result<Option<Strategy>, LiteError> {
    let strategy = text(name, value)?.map(|text| text.parse::<Strategy>()).transpose();
    strategy.map_err(|unknown| LiteError::bad_request(Some(name), format!("{name}.routing_strategy: {unknown}")))
}

/// As LiteLLM has them: a list of objects, each of which holds the fallbacks of a model.
fn fallbacks(name: &str, value: Value) -> Result<BTreeMap<Arc<str>, Vec<Arc<str>>>, LiteError> {
    let wrong =
        |_| LiteError::wrong_type(name, "list_type", "Input should be a list of dictionaries of lists of models");
    let list: Vec<BTreeMap<Arc<str>, Vec<Arc<str>>>> = serde_json::from_value(value).map_err(wrong)?;
    Ok(list.into_iter().flatten().collect())
}

pub(super) fn text(name: &str, value: Value) -> Result<Option<String>, LiteError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(LiteError::wrong_type(name, "string_type", "Input should be a valid string")),
    }
}

/// A whole number, also as text, as LiteLLM takes it.
pub(super) fn count(name: &str, value: &Value) -> Result<Option<u64>, LiteError> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let wrong = || LiteError::wrong_type(name, "int_parsing", "Input should be a valid integer that is not negative");
    number.map(Some).ok_or_else(wrong)
}

pub(super) fn amount(name: &str, value: &Value) -> Result<Option<Nanos>, LiteError> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let Some(number) = number else {
        return Err(LiteError::wrong_type(name, "float_parsing", "Input should be a valid number"));
    };
    let unfit = |unfit: UnfitAmount| LiteError::wrong_type(name, "float_parsing", &format!("Input {unfit}"));
    nanos(number).map(Some).map_err(unfit)
}

pub(super) fn flag(name: &str, value: &Value) -> Result<Edit<bool>, LiteError> {
    match value {
        Value::Null => Ok(Edit::Keep),
        Value::Bool(flag) => Ok(Edit::Set(*flag)),
        _ => Err(LiteError::wrong_type(name, "bool_type", "Input should be a valid boolean")),
    }
}

pub(super) fn metadata(name: &str, value: Value) -> Result<Map<String, Value>, LiteError> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(fields) => Ok(fields),
        _ => Err(LiteError::wrong_type(name, "dict_type", "Input should be a valid dictionary")),
    }
}

fn expiry(length: Option<&str>, now: Timestamp) -> Result<Edit<Option<Timestamp>>, LiteError> {
    match length {
        None => Ok(Edit::Keep),
        Some(NEVER) => Ok(Edit::Set(None)),
        Some(length) => match after(now, length) {
            Ok(moment) => Ok(Edit::Set(Some(moment))),
            Err(unfit) => Err(LiteError::bad_request(Some("duration"), format!("Invalid duration format: {unfit}"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use store::RowLimits;

    use snapshot::KeyRouting;

    use super::*;
    use crate::keys::KeyFields;

    fn read(body: &Value) -> Result<Fields, LiteError> {
        Fields::read(&body.to_string().into(), Timestamp::from_micros(0))
    }

    #[test]
    fn what_has_an_effect_is_taken() {
        let fields = read(&json!({
            "key": "sk-0123456789abcdef", "key_alias": "a", "models": ["m"], "rpm_limit": "3", "max_budget": 1.5,
            "max_parallel_requests": null, "duration": "1d", "blocked": true, "metadata": {"x": 1}, "tpm_limit": 4,
            "budget_duration": "30d", "team_id": "t", "user_id": "u", "tags": ["a"], "aliases": {"gpt": "m"},
            "router_settings": {"num_retries": 1, "timeout": null, "routing_strategy": "least-busy",
                "fallbacks": [{"a": ["b"]}]},
        }));
        let old = RowLimits { max_parallel: Some(9), ..RowLimits::default() };
        let mut found = KeyFields { limits: old, ..KeyFields::default() };
        let fields = fields.unwrap();
        assert_eq!(fields.name().unwrap(), KeyHash::of("sk-0123456789abcdef").to_string());
        fields.edit.apply(&mut found);
        let expected = KeyFields {
            alias: Some("a".into()),
            models: vec!["m".into()],
            limits: RowLimits {
                rpm: Some(3),
                tpm: Some(4),
                max_parallel: None,
                max_budget: Some(Nanos(1_500_000_000)),
                budget_period: Some("30d".parse().unwrap()),
            },
            owner: Some("u".into()),
            team: Some("t".into()),
            tags: vec!["a".into()],
            aliases: BTreeMap::from([("gpt".to_owned(), "m".to_owned())]),
            retries: Some(1),
            routing: KeyRouting {
                strategy: Some(Strategy::LeastBusy),
                fallbacks: BTreeMap::from([("a".into(), vec!["b".into()])]),
                disable_fallbacks: false,
            },
            expires_at: Some(Timestamp::from_micros(86_400_000_000)),
            blocked: true,
            metadata: json!({"x": 1}).as_object().unwrap().clone(),
            ..KeyFields::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn what_has_none_is_refused_by_name_unless_it_asks_for_none() {
        for unenforced in [
            json!({"soft_budget": 0}),
            json!({"tpd_limit": 5}),
            json!({"model_max_budget": {"m": 1}}),
            json!({"guardrails": ["g"]}),
            json!({"router_settings": {"timeout": 3}}),
            json!({"budget_duration": "1y"}),
        ] {
            let name = unenforced.as_object().unwrap().keys().next().unwrap().clone();
            let error = read(&unenforced).unwrap_err();
            assert_eq!(error.status(), 400, "{name}");
            assert_eq!(error.body()["error"]["param"], json!(name));
        }
        let nothing = json!({
            "tpd_limit": null, "guardrails": [], "agent_id": "", "config": {}, "auto_rotate": false, "spend": 0.0, "key_type": "default"
        });
        assert_eq!(read(&nothing).unwrap(), Fields::default());
    }

    #[test]
    fn words_for_all_models_allow_all_and_those_for_none_are_refused() {
        for all in ["all-proxy-models", "all-team-models"] {
            let fields = read(&json!({"models": ["m", all]})).unwrap();
            assert_eq!(fields.edit.models, Edit::Set(Vec::new()), "{all}");
        }
        let error = read(&json!({"models": ["no-default-models"]})).unwrap_err();
        assert_eq!((error.status(), &error.body()["error"]["param"]), (400, &json!("models")));
        assert!(error.body().to_string().contains("name the models"), "{error:?}");
    }

    #[test]
    fn wrong_types_are_named() {
        for wrong in [
            json!({"max_budget": 1e-10}),
            json!({"rpm_limit": "abc"}),
            json!({"rpm_limit": -1}),
            json!({"max_budget": "x"}),
            json!({"models": "m"}),
            json!({"metadata": []}),
            json!({"blocked": 1}),
            json!({"key_alias": 1}),
        ] {
            let name = wrong.as_object().unwrap().keys().next().unwrap().clone();
            let error = read(&wrong).unwrap_err();
            assert_eq!(error.status(), 422, "{name}");
            assert_eq!(error.body()["detail"][0]["loc"], json!(["body", name]));
        }
    }
}
