use anyhow::Context as _;
use import::{Finding, ImportedKey, Verdict};
use serde_json::{Value, json};
use spec::Model;

use crate::client::{ApiFault, Client};
use crate::output;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Names of the models that are staged.
    pub(super) staged: Vec<String>,
    /// Aliases of the keys that were made.
    pub(super) keys: Vec<String>,
}

/// Stages the models in one step: all of them but those that are there already, or none.
pub(super) async fn models(
    client: &Client,
    models: &[Model],
    replace: bool,
    report: &mut Vec<Finding>,
) -> anyhow::Result<Outcome> {
    let known = client.list("/api/v1/items").await?;
    let is_known = |model: &Model| {
        known
            .as_array()
            .into_iter()
            .flatten()
            .any(|item| item["kind"] == "model" && item["name"] == model.name.as_str())
    };
    let (taken, free): (Vec<_>, Vec<_>) = models.iter().partition(|model| !replace && is_known(model));
    for model in taken {
        let note = "there is a model of this name, applied or staged; say --replace to stage this one in its place";
        settle(report, &format!("model {}", model.name), note);
    }
    let item =
        |model: &&Model| json!({ "kind": "model", "name": model.name, "data": model, "etag": replace.then_some("*") });
    let items: Vec<Value> = free.iter().map(item).collect();
    if !items.is_empty() {
        let staged = client.post("/api/v1/staged", &json!({ "items": items })).await;
        staged.context("a model cannot be staged, so none is")?;
    }
    Ok(Outcome { staged: free.iter().map(|model| model.name.clone()).collect(), keys: Vec::new() })
}

/// Makes the keys; those that cannot be made are left out.
pub(super) async fn keys(
    client: &Client,
    keys: &[ImportedKey],
    outcome: &mut Outcome,
    report: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    for key in keys {
        let kind = if key.is_direct { "direct" } else { "virtual" };
        let body = json!({
            "alias": key.alias, "key": key.secret, "kind": kind, "models": key.models, "rpm": key.rpm,
            "max_budget": key.max_budget,
        });
        match client.post("/api/v1/keys", &body).await {
            Ok(_) => outcome.keys.push(key.alias.clone()),
            Err(error) => match error.downcast_ref::<ApiFault>() {
                Some(fault) if fault.status < 500 => {
                    let subject = if key.is_direct { "direct-route key" } else { "virtual key" };
                    settle(report, &format!("{subject} {}", key.alias), &output::plain(&error.to_string()));
                }
                _ => return Err(error.context("the models are staged, but not all keys are made; run it again")),
            },
        }
    }
    Ok(())
}

/// Says that something is left out after all.
fn settle(report: &mut Vec<Finding>, subject: &str, note: &str) {
    report.retain(|finding| finding.subject != subject);
    let (subject, note) = (subject.to_owned(), note.to_owned());
    report.push(Finding { subject, field: String::new(), verdict: Verdict::LeftOut, note });
}
