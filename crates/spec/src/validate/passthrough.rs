use serde_json::{Map, Value};

use super::environment;
use crate::{Passthrough, environment_variable, fault::Scope, is_secret_name, limits, quote::Quoted};

/// Sections of LiteLLM's file that are mappings.
const MAPPINGS: [&str; 5] =
    ["litellm_settings", "router_settings", "general_settings", "environment_variables", "callback_settings"];
/// Sections of LiteLLM's file that are lists.
const LISTS: [&str; 4] = ["model_list", "credential_list", "guardrails", "include"];
/// Settings of LiteLLM's caches.
const CACHES: [&str; 2] = ["cache_params", "cache_kwargs"];
/// What texts begin with that are secrets wherever they stand.
const SECRETS: [&str; 3] = ["sk-", "Bearer ", "Basic "];

pub(super) fn check(here: &mut Scope<'_>, passthrough: &Passthrough) {
    let Passthrough { litellm } = passthrough;
    let mut here = here.field("litellm");
    for (name, section) in litellm {
        let expected = match name.as_str() {
            name if MAPPINGS.contains(&name) && !section.is_object() => "a mapping",
            name if LISTS.contains(&name) && !section.is_array() => "a list",
            _ => continue,
        };
        here.field(name).fault(format!("{name} is not {expected}, and LiteLLM would not start"));
    }
    check_map(&mut here, litellm, 0);
}

fn check_map(here: &mut Scope<'_>, map: &Map<String, Value>, depth: usize) {
    if depth > limits::DEPTH {
        return here.fault(format!("nested deeper than {} levels", limits::DEPTH));
    }
    for (name, value) in map {
        let mut below = here.field(name);
        if CACHES.contains(&name.as_str()) && value.get("ssl").is_some() {
            below.field("ssl").fault(
                "ssl must not be there: LiteLLM hangs in a handshake when the cache's settings have the key, whatever its value; \
                 for an encrypted connection give a `url` that begins with `rediss://`",
            );
        }
        check_value(&mut below, name, value, depth);
    }
}

fn check_value(here: &mut Scope<'_>, name: &str, value: &Value, depth: usize) {
    match value {
        Value::Object(map) => check_map(here, map, depth + 1),
        Value::Array(list) => {
            for (index, element) in list.iter().enumerate() {
                check_value(&mut here.element(index), name, element, depth + 1);
            }
        }
        Value::String(text) => check_text(here, name, text),
        _ => {}
    }
}

/// No message repeats the text: it may be a secret.
fn check_text(here: &mut Scope<'_>, name: &str, text: &str) {
    if environment_variable(text).is_some() {
        return environment::check(here, name, text);
    }
    let is_named_so = is_secret_name(&name.replace('-', "_")) || name.eq_ignore_ascii_case("authorization");
    if (is_named_so && !text.is_empty()) || is_secret(text) {
        here.fault(format!(
            "{} is or may be a secret, and would stand in LiteLLM's file; set a variable for LiteLLM and write `os.environ/NAME`",
            Quoted(name)
        ));
    }
}

fn is_secret(text: &str) -> bool {
    let has_password = || url::Url::parse(text).is_ok_and(|url| url.password().is_some());
    SECRETS.iter().any(|start| text.starts_with(start)) || (text.contains("://") && has_password())
}
