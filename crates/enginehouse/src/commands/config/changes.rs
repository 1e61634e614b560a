use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::output::plain;

/// Characters of a value that are shown.
const SHOWN: usize = 200;

/// What happens to one item, as the admin API tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) kind: String,
    pub(super) name: String,
    /// `new`, `changed` or `deleted`.
    #[serde(rename = "change")]
    flag: String,
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    effect: Option<Effect>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    staged: Option<super::item::Staged>,
}

#[derive(Debug, Deserialize)]
struct Field {
    path: String,
    old: Option<Value>,
    new: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Effect {
    action: String,
    #[serde(default)]
    interrupts: bool,
    #[serde(default)]
    reason: String,
}

// === impl Change ===

impl Change {
    /// One item staged against what applies.
    pub(super) fn of(item: &super::item::Item) -> Option<Self> {
        let flag = item.flag.clone()?;
        let kind = item.kind.parse().ok()?;
        let id = spec::ItemId::new(kind, &item.name);
        let fields = spec::compare(&id, item.applied.as_ref(), item.data.as_ref())?.fields;
        let fields = fields.into_iter().map(|field| Field { path: field.path, old: field.old, new: field.new });
        let (kind, name) = (item.kind.clone(), item.name.clone());
        Some(Self { kind, name, flag, fields: fields.collect(), effect: None, warnings: Vec::new(), staged: None })
    }

    /// A line for the item, one for each field, one for each warning.
    pub(super) fn lines(&self) -> String {
        let sign = match self.flag.as_str() {
            "new" => '+',
            "deleted" => '-',
            _ => '~',
        };
        let mut text = format!("{sign} {} {}", self.kind, plain(&self.name));
        if let Some(effect) = &self.effect {
            let cuts = if effect.interrupts { ", INTERRUPTS running requests" } else { "" };
            let _ = write!(text, "  [{}: {}{cuts}]", effect.action, plain(&effect.reason));
        }
        if let Some(staged) = &self.staged {
            let _ = write!(text, "  staged by {}", plain(&staged.author));
        }
        for Field { path, old, new } in &self.fields {
            let _ = write!(text, "\n    {}: {} → {}", plain(path), value(old.as_ref()), value(new.as_ref()));
        }
        for warning in &self.warnings {
            let _ = write!(text, "\n    warning: {}", plain(warning));
        }
        text
    }
}

/// All of them, or that there are none.
pub(super) fn render(changes: &[Change], none: &str) -> String {
    if changes.is_empty() {
        return none.to_owned();
    }
    changes.iter().map(Change::lines).collect::<Vec<_>>().join("\n")
}

fn value(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "(not set)".to_owned(), ToString::to_string);
    let cut = text.chars().take(SHOWN).collect::<String>();
    let more = if cut.len() < text.len() { "…" } else { "" };
    plain(&(cut + more))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_and_effect_has_its_place() {
        let changes: Vec<Change> = serde_json::from_value(json!([
            {"kind": "model", "name": "a", "change": "changed", "fields": [{"path": "price.input", "old": 1.0, "new": null}],
             "effect": {"action": "restart", "interrupts": true, "reason": "1 engine restarts"}, "warnings": ["odd"],
             "staged": {"author": "ann", "staged_at": "now"}},
            {"kind": "model", "name": "b", "change": "deleted"},
        ]))
        .unwrap();
        let expected = "\
~ model a  [restart: 1 engine restarts, INTERRUPTS running requests]  staged by ann
    price.input: 1.0 → (not set)
    warning: odd
- model b";
        assert_eq!(render(&changes, ""), expected);
        assert_eq!(render(&[], "Nothing."), "Nothing.");
    }
}
