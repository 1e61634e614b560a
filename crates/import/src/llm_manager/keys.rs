use serde_json::Value;

use super::MAX_KEYS;
use super::fields::{Fields, as_text, words};
use super::named;
use crate::{Finding, Imported, ImportedKey, Verdict};

/// Takes the keys that are in the configuration.
pub(super) fn convert(config: &mut Fields<'_>, imported: &mut Imported) {
    if config.take(&["master_key", "litellm_master_key", "api_key", "litellm_key"]).is_some() {
        let note = "to keep it, start Enginehouse with ENGINEHOUSE_MASTER_KEY(_FILE); it must begin with sk-";
        imported.report.push(Finding::new("master key", "", Verdict::LeftOut, note));
    }
    if let Some(keys) = config.take(&["direct_route_keys", "direct_keys", "direct_api_keys", "api_keys"]) {
        take(keys, "direct-route key", true, imported);
    }
    if let Some(keys) = config.take(&["virtual_keys", "litellm_keys"]) {
        take(keys, "virtual key", false, imported);
        return;
    }
    let note = "those that LiteLLM keeps in PostgreSQL are not in this directory: make new ones (`key create`), or name the \
                old secrets with `key create --key`";
    imported.report.push(Finding::new("virtual keys", "", Verdict::LeftOut, note));
}

fn take(keys: &Value, kind: &str, is_direct: bool, imported: &mut Imported) {
    for (position, (name, data)) in named(keys).into_iter().enumerate() {
        let alias = if name.is_empty() { format!("imported-{}", position + 1) } else { name };
        let subject = format!("{kind} {alias}");
        if imported.keys.len() == MAX_KEYS {
            let note = format!("more than {MAX_KEYS} keys");
            imported.report.push(Finding::new(kind, "", Verdict::LeftOut, note));
            return;
        }
        let key = one(alias, &data, is_direct).and_then(|key| is_new(key, &imported.keys));
        let (finding, key) = match key {
            Ok(key) => {
                (Finding::new(&subject, "", Verdict::Taken, "made at once, since keys are never staged"), Some(key))
            }
            Err(why) => (Finding::new(&subject, "", Verdict::LeftOut, why), None),
        };
        imported.report.push(finding);
        imported.keys.extend(key);
    }
}

fn one(alias: String, data: &Value, is_direct: bool) -> Result<ImportedKey, &'static str> {
    let plain = as_text(data);
    let object = data.as_object();
    let mut fields = object.map(Fields::new);
    let mut of = |names: &[&str]| fields.as_mut().and_then(|fields| fields.take(names));
    let secret = of(&["key", "token", "secret", "value", "api_key"]).and_then(as_text).or(plain);
    let secret = secret.ok_or("the key itself is not in the file")?;
    check(&secret)?;
    let models = of(&["models", "allowed_models"]).map(words).unwrap_or_default();
    let rpm = of(&["rpm", "rpm_limit"]).and_then(Value::as_u64);
    let max_budget = of(&["max_budget", "budget"]).and_then(Value::as_f64);
    Ok(ImportedKey { alias, secret, is_direct, models, rpm, max_budget })
}

/// A key is made once: neither its secret nor its name may be there before.
fn is_new(key: ImportedKey, keys: &[ImportedKey]) -> Result<ImportedKey, &'static str> {
    if keys.iter().any(|other| other.secret == key.secret) {
        return Err("another key in the file has the same secret; it is made once, under that name");
    }
    if keys.iter().any(|other| other.alias == key.alias) {
        return Err("another key in the file has this name; make it by itself with `key create --key`");
    }
    Ok(key)
}

/// What the service asks of a key that people chose.
fn check(secret: &str) -> Result<(), &'static str> {
    if !secret.starts_with("sk-") {
        return Err("a key here begins with sk-; make a new one and give it to who uses this one");
    }
    if !(16..=256).contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a key here has 16 to 256 visible characters; make a new one");
    }
    Ok(())
}
