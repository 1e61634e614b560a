use serde_json::{Map, Value, json};
use spec::{Alias, Document};

use crate::variable;

pub(super) fn router(document: &Document) -> Value {
    let routing = &document.routing;
    let mut settings = json!({
        "routing_strategy": routing.strategy.as_str(),
        "num_retries": routing.retries,
        "allowed_fails": routing.allowed_fails,
        "cooldown_time": routing.cooldown_seconds,
        "timeout": routing.timeouts.total,
        "stream_timeout": routing.timeouts.first_byte.max(routing.timeouts.between_bytes),
    });
    if let Some(settings) = settings.as_object_mut() {
        fallbacks(document, settings);
    }
    settings
}

/// What takes over from what, and other names; nothing where there is nothing.
fn fallbacks(document: &Document, settings: &mut Map<String, Value>) {
    let routing = &document.routing;
    let maps = [
        ("fallbacks", &routing.fallbacks),
        ("context_window_fallbacks", &routing.context_window_fallbacks),
        ("content_policy_fallbacks", &routing.content_policy_fallbacks),
    ];
    for (name, map) in maps.into_iter().filter(|(_, map)| !map.is_empty()) {
        let list = map.iter().map(|(model, others)| json!({ model: others }));
        settings.insert(name.to_owned(), list.collect());
    }
    if !routing.default_fallbacks.is_empty() {
        settings.insert("default_fallbacks".to_owned(), json!(routing.default_fallbacks));
    }
    if settings.keys().any(|name| name.ends_with("fallbacks")) {
        settings.insert("max_fallbacks".to_owned(), json!(routing.max_fallbacks));
    }
    if routing.enable_pre_call_checks {
        settings.insert("enable_pre_call_checks".to_owned(), json!(true));
    }
    if !document.aliases.is_empty() {
        let alias = |(name, alias): (&String, &Alias)| {
            (name.clone(), json!({ "model": alias.model(), "hidden": alias.is_hidden() }))
        };
        let aliases: Map<_, _> = document.aliases.iter().map(alias).collect();
        settings.insert("model_group_alias".to_owned(), aliases.into());
    }
}

pub(super) fn litellm(document: &Document, notes: &mut Vec<String>) -> Value {
    let cache = &document.cache;
    if !cache.enabled {
        return json!({ "request_timeout": document.routing.timeouts.total, "cache": false });
    }
    if cache.namespace.is_none() {
        notes.push("cache: LiteLLM gives all keys one cache; through Enginehouse each has its own".to_owned());
    }
    let mut params = Map::new();
    params.insert("ttl".to_owned(), json!(cache.ttl_seconds));
    if let Some(namespace) = &cache.namespace {
        params.insert("namespace".to_owned(), json!(namespace));
    }
    json!({ "request_timeout": document.routing.timeouts.total, "cache": true, "cache_params": params })
}

pub(super) fn general() -> Value {
    json!({
        "master_key": variable::reference(variable::LITELLM_MASTER_KEY),
        // Else what somebody once saved in its interface silently goes before this file.
        "store_model_in_db": false,
    })
}

/// What holds where neither the document nor what it passes through says anything.
pub(super) fn defaults(root: &mut Map<String, Value>) {
    let cache = root.get_mut("litellm_settings").and_then(|settings| settings.get_mut("cache_params"));
    if let Some(cache) = cache.and_then(Value::as_object_mut) {
        // LiteLLM's own default is Redis.
        cache.entry("type").or_insert_with(|| json!("local"));
    }
}
