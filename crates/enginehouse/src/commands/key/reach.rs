use serde::Deserialize;
use serde_json::Value;

use crate::client;
use crate::output::{self, Column, Table};

/// What a key reaches, as the admin API tells it.
#[derive(Debug, Deserialize)]
struct Reach {
    works: bool,
    models: Vec<Reached>,
}

#[derive(Debug, Deserialize)]
struct Reached {
    name: String,
    #[serde(rename = "type")]
    model_type: String,
    through: Vec<Way>,
}

#[derive(Debug, Deserialize)]
struct Way {
    by: String,
    name: String,
    #[serde(default)]
    when: Option<String>,
}

/// Prints what a key reaches, a line for each way.
pub(super) fn show(answer: &Value, key: &str, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(answer)?);
    }
    let reach: Reach = client::view(answer)?;
    if !reach.works {
        output::note(&format!("{key} is not let in now: it, or its team, is blocked or expired. It would reach:"));
    }
    if reach.models.is_empty() {
        output::note(&format!("{key} reaches no model: its allow-list, or its team's, names none that is applied."));
        return Ok(());
    }
    let mut table = Table::new(&["MODEL", "TYPE", "THROUGH"].map(Column::text));
    for model in &reach.models {
        for way in &model.through {
            table.push(vec![model.name.clone(), model.model_type.clone(), way.to_string()]);
        }
    }
    Ok(output::table(&table)?)
}

// === impl Way ===

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { by, name, when } = self;
        match (by.as_str(), when.as_deref()) {
            ("name", _) => write!(f, "its name"),
            ("alias", _) => write!(f, "alias {name}"),
            ("key_alias", _) => write!(f, "the key's own alias {name}"),
            ("fallback", Some("context_window")) => write!(f, "fallback of {name}, when a prompt is too long"),
            ("fallback", Some("content_policy")) => write!(f, "fallback of {name}, when a content policy forbids it"),
            ("fallback", _) => write!(f, "fallback of {name}"),
            (other, _) => write!(f, "{other} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_said_in_words() {
        let way = |by: &str, when: Option<&str>| {
            Way { by: by.into(), name: "a".into(), when: when.map(Into::into) }.to_string()
        };
        assert_eq!(way("name", None), "its name");
        assert_eq!(way("fallback", Some("any")), "fallback of a");
        assert_eq!(way("fallback", Some("context_window")), "fallback of a, when a prompt is too long");
    }
}
