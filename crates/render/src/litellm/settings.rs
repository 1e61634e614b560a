use serde_json::{Map, Value, json};
use spec::{Document, Strategy};

use crate::variable;

pub(super) fn router(document: &Document) -> Value {
    let routing = &document.routing;
    json!({
        "routing_strategy": strategy(routing.strategy),
        "num_retries": routing.retries,
        "allowed_fails": routing.allowed_fails,
        "cooldown_time": routing.cooldown_seconds,
        "timeout": routing.timeouts.total,
        "stream_timeout": routing.timeouts.first_byte.max(routing.timeouts.between_bytes),
    })
}

/// LiteLLM's word. It does not know the others by these names, and takes any name it is given.
const fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::LeastBusy => "least-busy",
        Strategy::SimpleShuffle => "simple-shuffle",
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
