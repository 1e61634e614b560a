//! The configuration directory of LLM-Manager: `config.json`, and a file of its own for MIG.
//!
//! What its fields mean is documented, what they are called is not in every case: each is looked for under the names that
//! are in use, and what bears another name is named in the report, so that nothing is lost in silence.

use serde_json::{Map, Value};

use crate::{Finding, Imported, Verdict};

mod engine;
mod fields;
mod keys;
mod mig;
mod model;
mod read;
mod rest;
#[cfg(test)]
mod tests;

pub use read::{ReadError, Source, read};

use fields::Fields;

/// Models that are taken at most.
const MAX_MODELS: usize = 1_000;
/// Keys that are taken at most.
const MAX_KEYS: usize = 10_000;

/// What a directory means for us.
pub fn convert(source: &Source) -> Imported {
    let mut imported = Imported::default();
    let mut fields = Fields::new(&source.config);
    models(&mut fields, &mut imported);
    keys::convert(&mut fields, &mut imported);
    mig::convert(&mut fields, source.mig.as_ref(), &mut imported.report);
    rest::convert(&mut fields, &imported.models, &mut imported.report);
    imported
}

fn models(config: &mut Fields<'_>, imported: &mut Imported) {
    let Some(value) = config.take(&["models", "model_configs", "registered_models"]) else {
        let note = "there are no models in config.json";
        imported.report.push(Finding::new("models", "", Verdict::LeftOut, note));
        return;
    };
    for (position, (name, data)) in named(value).into_iter().enumerate() {
        let shown = if name.is_empty() { format!("#{}", position + 1) } else { name.clone() };
        let subject = format!("model {shown}");
        if position == MAX_MODELS {
            let note = format!("more than {MAX_MODELS} models; split the file");
            imported.report.push(Finding::new("models", "", Verdict::LeftOut, note));
            return;
        }
        let Value::Object(data) = data else {
            imported.report.push(Finding::new(&subject, "", Verdict::LeftOut, "it is no object"));
            continue;
        };
        let mut findings = Vec::new();
        match model::convert(&name, &data, &subject, &mut findings) {
            Ok(model) if imported.models.iter().any(|other| other.name == model.name) => {
                imported.report.push(Finding::new(&subject, "", Verdict::LeftOut, "another model has this name"));
            }
            Ok(model) => {
                imported.report.push(Finding::new(&subject, "", Verdict::Taken, String::new()));
                imported.report.extend(findings);
                imported.models.push(model);
            }
            Err(why) => imported.report.push(Finding::new(&subject, "", Verdict::LeftOut, why)),
        }
    }
}

/// The elements of a list or of a mapping with their names; in a list they have them inside.
fn named(value: &Value) -> Vec<(String, Value)> {
    let inside = |data: &Map<String, Value>| {
        let name = ["name", "model_name", "alias", "label", "id"].iter().find_map(|field| data.get(*field)?.as_str());
        name.unwrap_or_default().to_owned()
    };
    match value {
        Value::Array(list) => {
            list.iter().map(|data| (data.as_object().map(inside).unwrap_or_default(), data.clone())).collect()
        }
        Value::Object(map) => map.iter().map(|(name, data)| (name.clone(), data.clone())).collect(),
        _ => Vec::new(),
    }
}
