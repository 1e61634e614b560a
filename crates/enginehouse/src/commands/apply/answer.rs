use std::fmt::Write as _;

use serde::Deserialize;

use crate::output::{Column, Table, plain};

/// What `POST /api/v1/apply` answers.
#[derive(Debug, Deserialize)]
pub(in crate::commands) struct Applied {
    #[serde(default)]
    revision: u64,
    #[serde(default)]
    changes: Vec<Change>,
    #[serde(default)]
    plan: Vec<Step>,
    #[serde(default)]
    warnings: Vec<Warning>,
    /// Id of the job that brings the models up; none where nothing has to be done or nothing runs.
    #[serde(default)]
    pub(super) job: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Change {
    kind: String,
    name: String,
    /// `new`, `changed` or `deleted`.
    #[serde(rename = "change")]
    what: String,
    #[serde(default)]
    fields: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Step {
    model: String,
    action: String,
    #[serde(default)]
    interrupts: bool,
    #[serde(default)]
    reason: String,
}

/// Something that will not work, but is no reason to refuse the document.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Warning {
    Text(String),
    At {
        #[serde(default)]
        path: String,
        message: String,
    },
}

// === impl Applied ===

impl Applied {
    /// Changes, plan, warnings and the verdict, for people.
    pub(in crate::commands) fn summary(&self, dry_run: bool) -> String {
        let mut text = String::new();
        for change in &self.changes {
            let _ = writeln!(text, "{}", change.line());
        }
        if !self.plan.is_empty() {
            let _ = writeln!(text, "{}", plan_table(&self.plan).render(None));
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {}", warning.line());
        }
        let verdict = match (dry_run, self.changes.is_empty()) {
            (true, true) => "Nothing would change.".to_owned(),
            (true, false) => "Dry run: nothing was written.".to_owned(),
            (false, true) => format!("Nothing changed: revision {} stands.", self.revision),
            (false, false) => format!("Revision {} is committed.", self.revision),
        };
        text + &verdict
    }
}

// === impl Change ===

impl Change {
    fn line(&self) -> String {
        let sign = match self.what.as_str() {
            "new" => '+',
            "deleted" => '-',
            _ => '~',
        };
        let fields = if self.fields.is_empty() { String::new() } else { format!(" ({})", self.fields.join(", ")) };
        plain(&format!("{sign} {} {}{fields}", self.kind, self.name))
    }
}

// === impl Warning ===

impl Warning {
    fn line(&self) -> String {
        match self {
            Self::Text(message) => plain(message),
            Self::At { path, message } if path.is_empty() => plain(message),
            Self::At { path, message } => plain(&format!("{path}: {message}")),
        }
    }
}

fn plan_table(steps: &[Step]) -> Table {
    let mut table = Table::new(&[
        Column::text("MODEL"),
        Column::text("ACTION"),
        Column::text("INTERRUPTS"),
        Column::text("REASON"),
    ]);
    for step in steps {
        let interrupts = if step.interrupts { "yes" } else { "no" };
        table.push(vec![step.model.clone(), step.action.clone(), interrupts.to_owned(), step.reason.clone()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_summary_shows_changes_plan_and_warnings() {
        let answer = json!({
            "revision": 4, "changed": true, "job": "j1",
            "changes": [
                {"kind": "model", "name": "a", "change": "new"},
                {"kind": "model", "name": "b", "change": "changed", "fields": ["price"]},
                {"kind": "model", "name": "c", "change": "deleted"},
            ],
            "plan": [{"model": "c", "action": "remove", "interrupts": true, "reason": "deleted"}],
            "warnings": ["X is not set", {"path": "models[0]", "message": "odd"}],
        });
        let applied: Applied = serde_json::from_value(answer).unwrap();
        let summary = applied.summary(false);
        assert_eq!(
            summary.lines().collect::<Vec<_>>(),
            [
                "+ model a",
                "~ model b (price)",
                "- model c",
                "MODEL  ACTION  INTERRUPTS  REASON",
                "c      remove  yes         deleted",
                "warning: X is not set",
                "warning: models[0]: odd",
                "Revision 4 is committed.",
            ]
        );
        assert!(applied.summary(true).ends_with("Dry run: nothing was written."));
    }

    #[test]
    fn no_change_is_said() {
        let applied: Applied = serde_json::from_value(json!({"revision": 4, "changed": false})).unwrap();
        assert_eq!(applied.summary(false), "Nothing changed: revision 4 stands.");
        assert_eq!(applied.summary(true), "Nothing would change.");
    }
}
