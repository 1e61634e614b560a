use serde_json::Value;

use super::fields::Fields;
use crate::{Finding, Verdict};

/// Layouts that are told one by one.
const TOLD: usize = 64;

/// Tells what layout of MIG there was: this version makes none.
pub(super) fn convert(config: &mut Fields<'_>, file: Option<&Value>, report: &mut Vec<Finding>) {
    let inside = config.take(&["mig", "mig_config", "mig_configuration", "mig_layout"]);
    let Some(layout) = file.or(inside) else { return };
    let mut told = Vec::new();
    collect(layout, &mut String::new(), &mut told);
    told.truncate(TOLD);
    if told.is_empty() {
        return;
    }
    for (gpu, profiles) in told {
        let note = format!(
            "{profiles}; this version makes no slices: make them (`nvidia-smi mig`), and name them by UUID in gpus"
        );
        report.push(Finding::new(&format!("mig {}", gpu.trim()), "", Verdict::LeftOut, note));
    }
}

/// Every place in the layout where profiles (`1g.10gb`) stand.
fn collect(value: &Value, place: &mut String, told: &mut Vec<(String, String)>) {
    let profiles = profiles(value);
    if !profiles.is_empty() {
        told.push((place.clone(), profiles.join(", ")));
        return;
    }
    let length = place.len();
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                place.push(' ');
                place.extend(name.chars().filter(|c| !c.is_control()).take(40));
                collect(inner, place, told);
                place.truncate(length);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                place.push(' ');
                place.push_str(&index.to_string());
                collect(inner, place, told);
                place.truncate(length);
            }
        }
        _ => {}
    }
}

/// The profiles that stand right here.
fn profiles(value: &Value) -> Vec<String> {
    let of = |value: &Value| {
        let text = match value {
            Value::String(text) => text.as_str(),
            Value::Object(map) => map.get("profile")?.as_str()?,
            _ => return None,
        };
        let is_profile = text.contains("g.") && text.ends_with("gb") && text.len() < 20;
        is_profile.then(|| text.to_owned())
    };
    match value {
        Value::Array(list) => list.iter().filter_map(of).collect(),
        other => of(other).into_iter().collect(),
    }
}
