use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{self, Client};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  enginehouse model url qwen
  enginehouse model url qwen --open
  OPENAI_BASE_URL=$(enginehouse model url qwen --json | jq -r .base_url) python client.py";

/// Flags of `model url`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct UrlArgs {
    /// Name of the model
    #[arg(value_name = "MODEL")]
    model: String,
    /// The address that needs no key, if the model allows that
    #[arg(long, conflicts_with = "direct")]
    open: bool,
    /// The address of this model alone, for direct-route keys
    #[arg(long)]
    direct: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Model {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    url: String,
    direct_url: String,
    #[serde(default)]
    open_url: Option<String>,
}

/// Says where a model is, and how it is asked.
pub(super) async fn run(client: &Client, args: UrlArgs) -> anyhow::Result<()> {
    let path = format!("/api/v1/models/{}", client::segment(&args.model));
    let answer = client.get(&path).await.with_context(|| format!("model {}", args.model))?;
    let model: Model = client::view(&answer)?;
    let base = base(&args, &model)?;
    if client.is_offline() {
        bail!("nothing runs on this home, so there is no address: start `enginehouse serve` first");
    }
    let curl = curl(&model, base, args.open);
    if args.json {
        let endpoint = json!({ "base_url": base, "model": model.name, "type": model.kind, "curl": curl });
        return Ok(output::json(&endpoint)?);
    }
    let name = output::plain(&model.name);
    Ok(output::data(&format!("base URL  {}\nmodel     {name}\n\n{curl}", output::plain(base)))?)
}

fn base<'a>(args: &UrlArgs, model: &'a Model) -> anyhow::Result<&'a str> {
    match (&model.open_url, args) {
        (Some(open), UrlArgs { open: true, .. }) => Ok(open),
        (None, UrlArgs { open: true, .. }) => bail!(
            "{0} is not open: `enginehouse config stage model/{0} --set open_access=true` and `enginehouse config apply model/{0}`",
            output::plain(&model.name)
        ),
        (_, UrlArgs { direct: true, .. }) => Ok(&model.direct_url),
        _ => Ok(&model.url),
    }
}

/// A line to paste into a shell.
fn curl(model: &Model, base: &str, is_open: bool) -> String {
    let name = &model.name;
    let (surface, body) = match model.kind.as_str() {
        "embedding" => ("embeddings", json!({ "model": name, "input": "Hello" })),
        "rerank" => ("rerank", json!({ "model": name, "query": "Hello", "documents": ["Good day", "Good night"] })),
        "text-to-speech" => ("audio/speech", json!({ "model": name, "input": "Hello" })),
        "image-generation" => ("images/generations", json!({ "model": name, "prompt": "A red square" })),
        "speech-to-text" => ("audio/transcriptions", Value::Null),
        _ => ("chat/completions", json!({ "model": name, "messages": [{ "role": "user", "content": "Hello" }] })),
    };
    let key = if is_open { "" } else { " -H \"Authorization: Bearer $KEY\"" };
    let sent = match body {
        Value::Null => format!("-F {} -F file=@speech.wav", quoted(&format!("model={name}"))),
        body => format!("-H 'Content-Type: application/json' -d {}", quoted(&body.to_string())),
    };
    let output = if surface == "audio/speech" { " -o hello.wav" } else { "" };
    output::plain(&format!("curl {base}/{surface}{key} {sent}{output}"))
}

/// So that a shell takes it as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted() {
        let model = |kind: &str| Model {
            name: "it's".to_owned(),
            kind: kind.to_owned(),
            url: "http://x/v1".to_owned(),
            direct_url: String::new(),
            open_url: None,
        };
        let chat = curl(&model("chat"), "http://x/v1", false);
        assert!(chat.starts_with("curl http://x/v1/chat/completions -H \"Authorization: Bearer $KEY\""), "{chat}");
        assert!(chat.contains(r#""model":"it'\''s""#), "{chat}");
        let speech = curl(&model("speech-to-text"), "http://x/open/m/v1", true);
        assert_eq!(speech, r"curl http://x/open/m/v1/audio/transcriptions -F 'model=it'\''s' -F file=@speech.wav");
    }
}
