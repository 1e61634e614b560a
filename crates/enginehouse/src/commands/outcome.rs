//! What a command says that has changed one named thing.

use serde::Deserialize;
use serde_json::Value;

use crate::client;
use crate::output;

/// What an answer says besides: not all went as it should.
#[derive(Debug, Deserialize)]
struct Warnings {
    #[serde(default)]
    warnings: Vec<String>,
}

/// Says that `name` is now as `past` says, or gives the answer as JSON.
pub(super) fn done(answer: &Value, name: &str, past: &str, json: bool) -> anyhow::Result<()> {
    warn(answer)?;
    if json {
        return Ok(output::json(answer)?);
    }
    Ok(output::data(&format!("{name} is {past}."))?)
}

/// Says what did not go as it should.
pub(super) fn warn(answer: &Value) -> anyhow::Result<()> {
    let Warnings { warnings } = client::view(answer)?;
    for warning in warnings {
        output::note(&format!("warning: {}", output::plain(&warning)));
    }
    Ok(())
}
