use std::collections::BTreeMap;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Place, direct::Direct, shown};
use crate::client;
use crate::output::{self, Column, Table};

/// Digits of a commit that are shown.
const COMMIT: usize = 12;

/// How to list.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Cached {
    model: String,
    bytes: u64,
    incomplete_bytes: u64,
    used_by: Vec<String>,
    revisions: Vec<Revision>,
}

#[derive(Debug, Deserialize)]
struct Revision {
    commit: String,
    refs: Vec<String>,
    files: u64,
    bytes: u64,
    fetched_at: String,
}

pub(super) async fn run(place: &Place, args: ListArgs) -> anyhow::Result<()> {
    let answer = match place {
        Place::Served(client) => client.list("/api/v1/hub/models").await?,
        Place::Direct(direct) => here(direct)?,
    };
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let models: Vec<Cached> = client::view(&answer)?;
    if let Place::Direct(direct) = place {
        output::note(&format!("In {}:", shown(&direct.settings.cache)));
    }
    if models.is_empty() {
        output::note("No model is in the cache. Fetch one with `enginehouse hub pull ORGANISATION/NAME`.");
        return Ok(());
    }
    let total: u64 = models.iter().map(|model| model.bytes).sum();
    output::table(&table(&models))?;
    output::note(&format!("{} models, {}", models.len(), output::bytes(total)));
    Ok(())
}

/// As the admin API would show it.
fn here(direct: &Direct) -> anyhow::Result<Value> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for user in direct.in_use()? {
        users.entry(user.repository).or_default().push(user.by);
    }
    let mut models = Vec::new();
    for model in direct.cache().models()? {
        let used_by = users.remove(&model.model).unwrap_or_default();
        let fetched: Vec<_> = model.revisions.iter().map(|revision| revision.fetched().to_string()).collect();
        let mut value = serde_json::to_value(model)?;
        value["used_by"] = json!(used_by);
        for (revision, at) in value["revisions"].as_array_mut().into_iter().flatten().zip(fetched) {
            revision["fetched_at"] = at.into();
        }
        models.push(value);
    }
    Ok(Value::Array(models))
}

fn table(models: &[Cached]) -> Table {
    let columns = [
        Column::text("MODEL"),
        Column::number("SIZE"),
        Column::text("REVISION"),
        Column::text("COMMIT"),
        Column::number("FILES"),
        Column::text("FETCHED"),
        Column::text("USED BY"),
    ];
    let mut table = Table::new(&columns);
    for model in models {
        let used_by = model.used_by.join(", ");
        for revision in &model.revisions {
            table.push(vec![
                model.model.clone(),
                output::bytes(revision.bytes),
                revision.refs.join(", "),
                revision.commit.chars().take(COMMIT).collect(),
                revision.files.to_string(),
                revision.fetched_at.chars().take(10).collect(),
                used_by.clone(),
            ]);
        }
        if model.incomplete_bytes > 0 || model.revisions.is_empty() {
            let size = output::bytes(model.incomplete_bytes);
            table.push(vec![model.model.clone(), size, "(not whole)".to_owned()]);
        }
    }
    table
}
