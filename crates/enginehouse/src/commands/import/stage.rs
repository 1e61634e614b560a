use import::{Finding, ImportedKey, Verdict};
use serde_json::{Value, json};
use spec::Model;

use crate::client::{self, ApiFault, Client, Seen};
use crate::output;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Names of the models that are staged.
    pub(super) staged: Vec<String>,
    /// Aliases of the keys that were made.
    pub(super) keys: Vec<String>,
}

/// Stages the models; all of them but those that are there already, or none.
pub(super) async fn models(
    client: &Client,
    models: &[Model],
    replace: bool,
    report: &mut Vec<Finding>,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    for model in models {
        let path = format!("/api/v1/staged/model/{}", client::segment(&model.name));
        match stage(client, &path, model, replace).await {
            Ok(()) => outcome.staged.push(model.name.clone()),
            Err(error) if is_taken(&error) => {
                let note =
                    "there is a model of this name, applied or staged; say --replace to stage this one in its place";
                settle(report, &format!("model {}", model.name), note);
            }
            Err(error) => {
                take_back(client, &outcome.staged).await;
                return Err(error.context(format!("model {} cannot be staged, so none is", model.name)));
            }
        }
    }
    Ok(outcome)
}

async fn stage(client: &Client, path: &str, model: &Model, replace: bool) -> anyhow::Result<()> {
    let new = client.put_seen(path, model, &Seen::Nothing).await;
    let done = match new {
        Err(error) if replace && is_taken(&error) => client.put_seen(path, model, &Seen::Anything).await,
        done => done,
    };
    done.map(drop)
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

/// Whether there is something of this name.
fn is_taken(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ApiFault>().is_some_and(|fault| fault.status == 412)
}

/// Says that something is left out after all.
fn settle(report: &mut Vec<Finding>, subject: &str, note: &str) {
    report.retain(|finding| finding.subject != subject);
    let (subject, note) = (subject.to_owned(), note.to_owned());
    report.push(Finding { subject, field: String::new(), verdict: Verdict::LeftOut, note });
}

/// Discards what was staged before it went wrong.
async fn take_back(client: &Client, staged: &[String]) {
    if staged.is_empty() {
        return;
    }
    let items: Vec<Value> = staged.iter().map(|name| json!({"kind": "model", "name": name})).collect();
    if let Err(error) = client.post("/api/v1/staged/discard", &json!({ "items": items })).await {
        let names = staged.join(", ");
        output::note(&format!(
            "warning: still staged: {names}; discard them with `enginehouse config discard` ({error})"
        ));
    }
}
