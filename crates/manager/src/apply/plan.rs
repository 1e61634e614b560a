use std::collections::BTreeMap;

use hardware::Inventory;
use serde::Serialize;
use spec::{Change, ChangeKind, Document, ItemKind};
use utoipa::ToSchema;

use crate::config::Environment;
use crate::placement::{are_apart, ids};
use crate::reconciler::{Desired, desired, places};

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
    /// Engines are replaced by others while the model is served: one after the other, and the next one starts first where
    /// there is room for both.
    Replace,
    /// Engines stop, and start again once they have.
    Restart,
    /// Engines stop, or the model goes altogether.
    Remove,
}

/// The GPUs of the machine.
#[derive(Debug, Default)]
pub(crate) struct Gpus<'a> {
    /// None where they are not known.
    pub(crate) inventory: Option<&'a Inventory>,
    /// Those that replicas got that run, by the ids of their places: what a name led to then may be another one now.
    pub(crate) held: BTreeMap<String, Vec<String>>,
}

// === impl Gpus ===

impl Gpus<'_> {
    /// Whether a replica of before and one of after certainly have none in common.
    fn are_apart(&self, old: &Desired, new: &Desired) -> bool {
        let of = |desired: &Desired| ids(&desired.engine, desired.number, self.inventory);
        let held = places(&old.id).into_iter().find_map(|place| self.held.get(&place).cloned());
        are_apart(&held.unwrap_or_else(|| of(old)), &of(new))
    }
}

/// Replicas of one model, by id.
type Replicas<'d> = BTreeMap<&'d str, &'d Desired>;

/// What leads from `old` to `new`, model by model.
pub(crate) fn plan(
    (old, new): (&Document, &Document),
    changes: &[Change],
    env: &Environment,
    gpus: &Gpus<'_>,
) -> Vec<Step> {
    let (before, after) = (desired(old, env), desired(new, env));
    let models = changes.iter().filter(|change| change.kind == ItemKind::MODEL);
    models.map(|change| step(change, &before, &replicas_of(&after, &change.name), gpus)).collect()
}

fn replicas_of<'d>(replicas: &'d [Desired], model: &str) -> Replicas<'d> {
    let of_model = replicas.iter().filter(|replica| &*replica.model == model);
    of_model.map(|replica| (replica.id.as_str(), replica)).collect()
}

fn step(change: &Change, all: &[Desired], after: &Replicas<'_>, gpus: &Gpus<'_>) -> Step {
    let before = &replicas_of(all, &change.name);
    let added = after.keys().filter(|id| !before.contains_key(*id)).count();
    let removed = before.keys().filter(|id| !after.contains_key(*id)).count();
    let replaced: Vec<_> = before
        .iter()
        .filter_map(|(id, old)| Some((*old, *after.get(id)?)))
        .filter(|(old, new)| old.spec_hash != new.spec_hash)
        .collect();
    let cut =
        replaced.iter().filter(|(_, new)| !can_double(new, all, gpus) && !has_deputy(new, before, after, gpus)).count();
    let replaced = replaced.len();
    let (action, reason) = match (change.change, replaced, removed, added) {
        (ChangeKind::New, .., 0) => (StepAction::Hot, "new".to_owned()),
        (ChangeKind::New, .., added) => (StepAction::Start, format!("new, {}", engines(added, "starts"))),
        (ChangeKind::Deleted, _, 0, _) => (StepAction::Remove, "deleted".to_owned()),
        (ChangeKind::Deleted, _, removed, _) => (StepAction::Remove, format!("deleted, {}", engines(removed, "stops"))),
        (ChangeKind::Changed, 0, 0, 0) => (StepAction::Hot, format!("{} changed", paths(change))),
        (ChangeKind::Changed, 0, 0, added) => (StepAction::Start, engines(added, "starts")),
        (ChangeKind::Changed, 0, removed, _) => (StepAction::Remove, engines(removed, "stops")),
        (ChangeKind::Changed, replaced, ..) if cut == 0 => {
            let how = if replaced == 1 { "is replaced while it serves" } else { "are replaced one after the other" };
            let engines = if replaced == 1 { "1 engine".to_owned() } else { format!("{replaced} engines") };
            (StepAction::Replace, format!("{} changed, {engines} {how}", paths(change)))
        }
        (ChangeKind::Changed, replaced, ..) => {
            let engines = engines(replaced, "restarts");
            let why = "what runs has to end first: it has the GPUs or the port of what follows";
            (StepAction::Restart, format!("{} changed, {engines} ({why})", paths(change)))
        }
    };
    Step { model: change.name.clone(), action, interrupts: cut + removed > 0, reason }
}

/// Whether it can start beside all that ran before.
fn can_double(new: &Desired, all: &[Desired], gpus: &Gpus<'_>) -> bool {
    let port = new.container.as_ref().and_then(|container| container.host_port);
    port.is_none() && all.iter().all(|old| gpus.are_apart(old, new))
}

/// Whether others of its deployment serve while it ends and starts: none of those that it has to wait for.
fn has_deputy(new: &Desired, before: &Replicas<'_>, after: &Replicas<'_>, gpus: &Gpus<'_>) -> bool {
    let stays =
        |old: &&&Desired| old.deployment() == new.deployment() && old.id != new.id && after.contains_key(&*old.id);
    let mut others = before.values().filter(stays).peekable();
    others.peek().is_some() && others.all(|old| gpus.are_apart(old, new))
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
        one_step_on(&Gpus::default(), old, new)
    }

    fn one_step_on(gpus: &Gpus<'_>, old: &str, new: &str) -> (StepAction, bool, String) {
        let (old, new) = (document(old), document(new));
        let steps = plan((&old, &new), &diff(&old, &new), &Environment::new(|_| None), gpus);
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
                StepAction::Replace,
                false,
                "deployments[d].engine.command changed, 2 engines are replaced one after the other",
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

    #[test]
    fn what_needs_the_gpus_or_the_port_of_what_runs_interrupts_unless_others_serve() {
        let on = |gpus: &str, more: &str| {
            let engine = format!("{{source: /m, runtime: docker, gpus: [{gpus}], {more}}}");
            model(&format!("{{id: d, engine: {engine}}}"), 1)
        };
        for (old, new, action, interrupts) in [
            (on("0, 1", ""), on("0, 1", "args: [--x]"), StepAction::Restart, true),
            (on("0, 1", ""), on("1, 2", "args: [--x]"), StepAction::Restart, true),
            (on("0, 1", ""), on("2, 3", ""), StepAction::Replace, false),
            (on("0", ""), on("GPU-1", ""), StepAction::Restart, true),
            (on("", "host_port: 9000"), on("", "host_port: 9000, args: [--x]"), StepAction::Restart, true),
            (on("0, 1", "replicas: 2"), on("0, 1", "replicas: 2, args: [--x]"), StepAction::Replace, false),
            (on("0, 1", "replicas: 2"), on("1, 0", "replicas: 2"), StepAction::Restart, true),
        ] {
            let found = one_step(&old, &new);
            assert_eq!((found.0, found.1), (action, interrupts), "{old} -> {new}: {found:?}");
        }
        // Where the GPUs are known, whatever they are called.
        let machine = crate::placement::tests::whole(4);
        for (gpu, action) in [("GPU-1aaaaaaa", StepAction::Replace), ("GPU-0aaaaaaa", StepAction::Restart)] {
            let gpus = Gpus { inventory: Some(&machine), held: BTreeMap::new() };
            let found = one_step_on(&gpus, &on("0", ""), &on(gpu, ""));
            assert_eq!(found.0, action, "{gpu}: {found:?}");
        }
        // It runs on what was number 0 when it started.
        let held = BTreeMap::from([("d/0b".to_owned(), vec!["GPU-1aaaaaaa-1111".to_owned()])]);
        let gpus = Gpus { inventory: Some(&machine), held };
        assert_eq!(one_step_on(&gpus, &on("0", ""), &on("GPU-1aaaaaaa", "")).0, StepAction::Restart);
    }
}
