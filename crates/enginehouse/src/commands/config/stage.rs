use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args};
use serde_json::{Map, Value};

use super::item::{Item, ItemName};
use crate::client::{self, ApiFault, Client, Seen};
use crate::commands::apply::templates::read_into_item;
use crate::commands::apply::{read_file, read_from};
use crate::exit::UsageError;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  enginehouse config stage model/tiny --set price.input=0.2 --set open_access=true
  enginehouse config stage model/tiny -f tiny.yaml
  enginehouse config stage model/tiny --delete
  enginehouse config stage settings/routing --delete       back to the defaults

An item that somebody else has staged meanwhile is not overwritten unless you say so.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group(ArgGroup::new("what").required(true).args(["file", "set", "delete"])))]
pub(super) struct StageArgs {
    /// The item, as model/tiny
    item: ItemName,
    /// The item as it is to be, as YAML or JSON; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Set one field of the item as it is; the value is JSON, or else a text
    #[arg(long, value_name = "PATH=VALUE", value_parser = assignment)]
    set: Vec<(String, Value)>,
    /// Stage its deletion
    #[arg(long)]
    delete: bool,
    /// The item's ETag that you have seen (`config show --json`); refused if it is another one by now
    #[arg(long, value_name = "ETAG", conflicts_with = "overwrite")]
    seen: Option<String>,
    /// Replace what is staged, whoever staged it
    #[arg(long)]
    overwrite: bool,
    /// Print the item as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(client: &Client, args: &StageArgs) -> anyhow::Result<()> {
    let found = find(client, &args.item).await?;
    let seen = seen(args, found.as_ref())?;
    let path = args.item.path("staged");
    let answer = if args.delete {
        client.delete_seen(&path, &seen).await?
    } else {
        let (data, base_dir) = data(args, found)?;
        let query = client::query(base_dir.map(|folder| ("base_dir", folder.display().to_string())));
        client.put_seen(&format!("{path}{query}"), &data, &seen).await?
    };
    if args.json {
        return Ok(output::json(&answer)?);
    }
    let staged: Item = client::view(&answer)?;
    Ok(output::data(&match staged.flag {
        Some(flag) => format!("{} is staged: {flag}.", args.item),
        None => format!("{} is as it applies; nothing is staged.", args.item),
    })?)
}

async fn find(client: &Client, item: &ItemName) -> anyhow::Result<Option<Item>> {
    match client.get(&item.path("items")).await {
        Ok(answer) => Ok(Some(client::view(&answer)?)),
        Err(error) if error.downcast_ref::<ApiFault>().is_some_and(|fault| fault.status == 404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the edit is based on: what was said; else what was just read, if the edit keeps all of it but the fields it sets
/// (or if there is no edit that could be lost).
fn seen(args: &StageArgs, found: Option<&Item>) -> anyhow::Result<Seen> {
    match (&args.seen, found) {
        (Some(etag), _) => Ok(Seen::Etag(etag.clone())),
        (None, _) if args.overwrite => Ok(Seen::Anything),
        (None, None) => Ok(Seen::Nothing),
        (None, Some(Item { staged: Some(staged), .. })) if args.set.is_empty() => bail!(
            "{} is staged already, by {} at {}: look at it (`enginehouse config diff {}`), then give --overwrite, or --seen \
             with the ETag that you have seen",
            args.item,
            staged.author,
            staged.staged_at,
            args.item
        ),
        (None, Some(item)) => Ok(Seen::Etag(item.etag.clone())),
    }
}

/// The item as it is to be, and the folder that its relative paths start from.
fn data(args: &StageArgs, found: Option<Item>) -> anyhow::Result<(Value, Option<PathBuf>)> {
    let (mut data, folder) = match &args.file {
        Some(file) => read(file)?,
        None => (found.and_then(|item| item.data).unwrap_or_else(|| new(&args.item)), PathBuf::from(".")),
    };
    for (path, value) in &args.set {
        set(&mut data, path, value.clone())?;
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
    let folder = folder.canonicalize()?;
    if args.item.kind == "model" {
        read_into_item(&mut data, &folder)?;
    }
    Ok((data, Some(folder)))
}

/// What `--set` starts from where there is no item yet.
fn new(item: &ItemName) -> Value {
    let name = (item.kind != "settings").then(|| ("name".to_owned(), Value::from(item.name.clone())));
    Value::Object(name.into_iter().collect())
}

fn read(file: &Path) -> anyhow::Result<(Value, PathBuf)> {
    let (text, folder) = if file == Path::new("-") {
        (read_from(std::io::stdin().lock()).context("standard input cannot be read")?, PathBuf::from("."))
    } else {
        (read_file(file)?, file.parent().unwrap_or(file).to_owned())
    };
    // No line of it is repeated: it may be that of a secret.
    let options = serde_saphyr::options! { with_snippet: false };
    let data = serde_saphyr::from_str_with_options(&text, options)
        .map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    Ok((data, folder))
}

/// Sets the field at `price.input`, making the mappings on the way; `deployments[0].endpoint.url` reaches into lists.
fn set(data: &mut Value, path: &str, value: Value) -> Result<(), UsageError> {
    let mut place = data;
    for step in path.replace('[', ".[").split('.').filter(|step| !step.is_empty()) {
        let there = if let Some(index) = step.strip_prefix('[').and_then(|step| step.strip_suffix(']')) {
            index.parse::<usize>().ok().and_then(|index| place.get_mut(index))
        } else {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            place.as_object_mut().map(|fields| fields.entry(step).or_insert(Value::Null))
        };
        place = there.ok_or_else(|| UsageError(format!("--set {path}: there is nothing at `{step}`")))?;
    }
    *place = value;
    Ok(())
}

fn assignment(text: &str) -> Result<(String, Value), String> {
    let (path, value) = text.split_once('=').ok_or("write it as PATH=VALUE: price.input=0.2")?;
    if path.is_empty() {
        return Err("write it as PATH=VALUE: price.input=0.2".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((path.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_set_by_their_paths() {
        let mut data = json!({"deployments": [{"endpoint": {"url": "a"}}]});
        set(&mut data, "price.input", json!(0.2)).unwrap();
        set(&mut data, "deployments[0].endpoint.url", json!("b")).unwrap();
        assert_eq!(data, json!({"deployments": [{"endpoint": {"url": "b"}}], "price": {"input": 0.2}}));
        let error = set(&mut data, "deployments[3].endpoint", json!(1)).unwrap_err();
        assert!(error.to_string().contains("`[3]`"), "{error}");
        assert!(set(&mut data, "price.input.more", json!(1)).is_err());
    }

    #[test]
    fn a_value_is_json_or_a_text() {
        assert_eq!(assignment("a.b=0.5").unwrap(), ("a.b".to_owned(), json!(0.5)));
        assert_eq!(assignment("a=x=y").unwrap(), ("a".to_owned(), json!("x=y")));
        assert_eq!(assignment("a=null").unwrap(), ("a".to_owned(), Value::Null));
        assert!(assignment("a").is_err() && assignment("=1").is_err());
    }
}
