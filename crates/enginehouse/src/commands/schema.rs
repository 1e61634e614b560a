use crate::output;

/// Prints the JSON Schema of the document that `apply` takes.
pub(crate) fn run() -> anyhow::Result<()> {
    Ok(output::json(&spec::json_schema())?)
}
