use serde_json::{Map, Value};

use super::{environment, setting};
use crate::{Passthrough, environment_variable, fault::Scope, is_secret_text, limits, quote::Quoted};

/// Sections of LiteLLM's file that are mappings.
const MAPPINGS: [&str; 5] =
    ["litellm_settings", "router_settings", "general_settings", "environment_variables", "callback_settings"];
/// Sections of LiteLLM's file that are lists.
const LISTS: [&str; 4] = ["model_list", "credential_list", "guardrails", "include"];
/// Settings of LiteLLM's caches.
const CACHES: [&str; 2] = ["cache_params", "cache_kwargs"];
/// Sections and fields in which everything may be a secret, whatever it is called.
const GUARDED: [&str; 4] = ["environment_variables", "headers", "cookies", "credentials"];
/// Bytes that the name of a header has at most.
const NAME_BYTES: usize = 40;
/// Headers that never hold one.
const PUBLIC: [&str; 2] = ["content-type", "accept"];

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
    check_map(&mut here, litellm, false, 0);
}

/// `is_guarded`: every text in it may be a secret.
fn check_map(here: &mut Scope<'_>, map: &Map<String, Value>, is_guarded: bool, depth: usize) {
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
        check_value(&mut below, name, value, is_guarded, depth);
    }
}

fn check_value(here: &mut Scope<'_>, name: &str, value: &Value, is_guarded: bool, depth: usize) {
    match value {
        Value::Object(map) => check_map(here, map, is_guarded || guards(name), depth + 1),
        Value::Array(list) => {
            for (index, element) in list.iter().enumerate() {
                let mut here = here.element(index);
                match element {
                    Value::String(text) if guards(name) && is_name_of_header(text) => {
                        check_text(&mut here, name, text, false);
                    }
                    element => check_value(&mut here, name, element, is_guarded, depth + 1),
                }
            }
        }
        Value::String(text) => check_text(here, name, text, is_guarded || guards(name)),
        _ => {}
    }
}

/// Whether everything below a name is guarded: `headers`, `extra_headers`, `default_headers` ...
fn guards(name: &str) -> bool {
    let last = name.rsplit(['_', '-']).next().unwrap_or(name);
    GUARDED.iter().any(|word| name.eq_ignore_ascii_case(word) || last.eq_ignore_ascii_case(word))
}

/// Lists of headers say which are handed on.
fn is_name_of_header(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.len() <= NAME_BYTES && text.chars().all(fits)
}

/// No message repeats the text: it may be a secret.
fn check_text(here: &mut Scope<'_>, name: &str, text: &str, is_guarded: bool) {
    if environment_variable(text).is_some() {
        return environment::check(here, name, text);
    }
    let is_harmless = text.is_empty() || is_scheme_of_reference(text);
    let is_named_so =
        (is_guarded && !PUBLIC.iter().any(|public| name.eq_ignore_ascii_case(public))) || setting::is_secret(name);
    if (is_named_so && !is_harmless) || is_secret_text(text) {
        here.fault(format!(
            "{} is or may be a secret, and would stand in LiteLLM's file; set a variable for LiteLLM and write `os.environ/NAME`",
            Quoted(name)
        ));
    }
}

/// `bearer os.environ/NAME`, as headers have it.
fn is_scheme_of_reference(text: &str) -> bool {
    let is_scheme = |word: &str| ["bearer", "basic", "token"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    text.split_once(' ').is_some_and(|(scheme, rest)| {
        is_scheme(scheme) && environment_variable(rest).is_some_and(crate::environment::is_variable_name)
    })
}
