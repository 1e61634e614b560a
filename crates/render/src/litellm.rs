//! LiteLLM's `config.yaml`: models and settings of the document, over what the document passes through.

use serde_json::{Map, Value};
use spec::Document;

use crate::{Body, Facts, yaml};

mod merge;
mod models;
mod price;
mod settings;

pub(crate) fn render(document: &Document, facts: &Facts<'_>) -> Body {
    let mut notes = Vec::new();
    let mut managed = Map::new();
    managed.insert("model_list".to_owned(), models::list(document, facts, &mut notes).into());
    managed.insert("router_settings".to_owned(), settings::router(document));
    managed.insert("litellm_settings".to_owned(), settings::litellm(document, &mut notes));
    managed.insert("general_settings".to_owned(), settings::general());
    let mut merged = merge::over(managed, &document.passthrough.litellm, "", &mut notes);
    settings::defaults(&mut merged);
    without_ssl(&mut merged);
    Body { text: yaml::to_string(&merged), notes }
}

/// LiteLLM hangs in a handshake when its cache's settings have an `ssl` key, whatever the value. Validation refuses one
/// that is passed through; should one get in on another way, it ends here.
fn without_ssl(root: &mut Map<String, Value>) {
    for (section, field) in [("litellm_settings", "cache_params"), ("router_settings", "cache_kwargs")] {
        let settings = root.get_mut(section).and_then(|section| section.get_mut(field)).and_then(Value::as_object_mut);
        if let Some(settings) = settings {
            settings.retain(|key, _| !key.eq_ignore_ascii_case("ssl"));
        }
    }
}

#[cfg(test)]
mod tests;
