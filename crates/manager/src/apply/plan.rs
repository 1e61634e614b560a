use std::collections::BTreeMap;

use serde::Serialize;
use spec::{Change, ChangeKind, Document, ItemKind};
use utoipa::ToSchema;

use crate::config::Environment;
use crate::reconciler::{Desired, desired};

/// What applying a change does to one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Step {
    /// Public name.
    pub(crate) model: String,
    /// What happens.
    pub(crate) action: StepAction,
    /// Whether requests that run on the model's engines are cut off.
    pub(crate) interrupts: bool,
    /// Why, and how much.
    pub(crate) reason: String,
}

/// What happens to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StepAction {
    /// The gateway takes it over; no engine is touched.
    Hot,
    /// Engines start beside those that run.
    Start,
    /// Engines stop and start again.
    Restart,
    /// Engines stop, or the model goes altogether.
    Remove,
}

/// Replicas of one model, by id, with what they are started from.
type Replicas<'d> = BTreeMap<&'d str, &'d str>;

/// What leads from `old` to `new`, model by model.
pub(crate) fn plan(old: &Document, new: &Document, changes: &[Change], env: &Environment) -> Vec<Step> {
    let (before, after) = (desired(old, env), desired(new, env));
    let models = changes.iter().filter(|change| change.kind == ItemKind::MODEL);
    models.map(|change| step(change, &replicas_of(&before, &change.name), &replicas_of(&after, &change.name))).collect()
}

fn replicas_of<'d>(replicas: &'d [Desired], model: &str) -> Replicas<'d> {
    let of_model = replicas.iter().filter(|replica| &*replica.model == model);
    of_model.map(|replica| (replica.id.as_str(), replica.spec_hash.as_str())).collect()
}

fn step(change: &Change, before: &Replicas<'_>, after: &Replicas<'_>) -> Step {
    let added = after.keys().filter(|id| !before.contains_key(*id)).count();
    let removed = before.keys().filter(|id| !after.contains_key(*id)).count();
    let replaced = before.iter().filter(|(id, hash)| after.get(*id).is_some_and(|other| other != *hash)).count();
    let (action, reason) = match (change.change, replaced, removed, added) {
        (ChangeKind::New, .., 0) => (StepAction::Hot, "new".to_owned()),
        (ChangeKind::New, .., added) => (StepAction::Start, format!("new, {}", engines(added, "starts"))),
        (ChangeKind::Deleted, _, 0, _) => (StepAction::Remove, "deleted".to_owned()),
        (ChangeKind::Deleted, _, removed, _) => (StepAction::Remove, format!("deleted, {}", engines(removed, "stops"))),
        (ChangeKind::Changed, 0, 0, 0) => (StepAction::Hot, format!("{} changed", paths(change))),
        (ChangeKind::Changed, 0, 0, added) => (StepAction::Start, engines(added, "starts")),
        (ChangeKind::Changed, 0, removed, _) => (StepAction::Remove, engines(removed, "stops")),
        (ChangeKind::Changed, replaced, ..) => {
            (StepAction::Restart, format!("{} changed, {}", paths(change), engines(replaced, "restarts")))
        }
    };
    Step { model: change.name.clone(), action, interrupts: replaced + removed > 0, reason }
}

/// Where a changed item differs.
fn paths(change: &Change) -> String {
    change.paths().collect::<Vec<_>>().join(", ")
}

/// `1 engine starts`, `2 engines start`.
fn engines(count: usize, verb: &str) -> String {
    match count {
        1 => format!("1 engine {verb}"),
        _ => format!("{count} engines {}", verb.trim_end_matches('s')),
    }
}

#[cfg(test)]
mod tests {
    use spec::{Format, diff, parse};

    use super::*;

    fn document(models: &str) -> Document {
        parse(&format!("version: 1\nmodels: [{models}]"), Format::Yaml).unwrap()
    }

    fn engine(id: &str, program: &str, replicas: u32) -> String {
        format!(
            "{{id: {id}, engine: {{source: ./m, runtime: process, command: [{program}, '{{port}}'], replicas: {replicas}}}}}"
        )
    }

    fn model(deployments: &str, price: u32) -> String {
        format!("{{name: m, type: chat, price: {{input: {price}}}, deployments: [{deployments}]}}")
    }

    fn one_step(old: &str, new: &str) -> (StepAction, bool, String) {
        let (old, new) = (document(old), document(new));
        let steps = plan(&old, &new, &diff(&old, &new), &Environment::new(|_| None));
        let [Step { action, interrupts, reason, .. }] = &steps[..] else { panic!("{steps:?}") };
        (*action, *interrupts, reason.clone())
    }

    #[test]
    fn each_kind_of_change_has_its_step() {
        let endpoint = "{id: e, endpoint: {url: 'http://x/v1'}}";
        let base = model(&engine("d", "a", 2), 1);
        let cases = [
            ("", base.clone(), StepAction::Start, false, "new, 2 engines start"),
            ("", model(endpoint, 1), StepAction::Hot, false, "new"),
            (&base, model(&engine("d", "a", 2), 2), StepAction::Hot, false, "price.input changed"),
            (
                &base,
                model(&engine("d", "b", 2), 1),
                StepAction::Restart,
                true,
                "deployments[d].engine.command changed, 2 engines restart",
            ),
            (&base, model(&engine("d", "a", 3), 1), StepAction::Start, false, "1 engine starts"),
            (&base, model(&engine("d", "a", 1), 1), StepAction::Remove, true, "1 engine stops"),
            (&base, String::new(), StepAction::Remove, true, "deleted, 2 engines stop"),
            (&model(endpoint, 1), String::new(), StepAction::Remove, false, "deleted"),
        ];
        for (old, new, action, interrupts, reason) in cases {
            let found = one_step(old, &new);
            assert_eq!((found.0, found.1), (action, interrupts), "{found:?}");
            assert_eq!(found.2, reason);
        }
    }
}
