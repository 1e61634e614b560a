use serde::Deserialize;
use serde_json::Value;

use crate::client;
use crate::output::{self, Column, Table};

/// A token as the admin API shows it.
#[derive(Debug, Deserialize)]
struct Token {
    name: String,
    shown: String,
    role: String,
    scopes: Vec<String>,
    created_by: String,
    expires_at: Option<String>,
    expired: bool,
    last_used_at: Option<String>,
    #[serde(default, rename = "token")]
    secret: Option<String>,
}

/// Prints all tokens.
pub(super) fn list(answer: &Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(answer)?);
    }
    let tokens: Vec<Token> = client::view(answer)?;
    if tokens.is_empty() {
        output::note("No API tokens yet: `enginehouse token create` makes one.");
        return Ok(());
    }
    let columns = ["NAME", "TOKEN", "ROLE", "STATE", "SCOPES", "MADE BY", "LAST USED", "EXPIRES"].map(Column::text);
    let mut table = Table::new(&columns);
    for token in &tokens {
        table.push(token.cells());
    }
    Ok(output::table(&table)?)
}

/// Prints one token, a line a field.
pub(super) fn one(answer: &Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(answer)?);
    }
    let token: Token = client::view(answer)?;
    let titles = ["name", "token", "role", "state", "scopes", "made by", "last used", "expires"];
    let lines = titles.iter().zip(token.cells()).map(|(title, cell)| format!("{title:9} {}", output::plain(&cell)));
    Ok(output::data(&lines.collect::<Vec<_>>().join("\n"))?)
}

/// Prints a fresh token: alone on standard output, what is said about it on standard error.
pub(super) fn issued(answer: &Value, as_json: bool, quiet: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(answer)?);
    }
    let token: Token = client::view(answer)?;
    if !quiet {
        let name = output::plain(&token.name);
        output::note(&format!("The token {name} ({}) is created. It is shown this once:", token.role));
    }
    Ok(output::data(token.secret.as_deref().unwrap_or_default())?)
}

// === impl Token ===

impl Token {
    /// In the order of the table's columns.
    fn cells(&self) -> Vec<String> {
        let or = |text: &Option<String>, otherwise: &str| text.clone().unwrap_or_else(|| otherwise.to_owned());
        vec![
            self.name.clone(),
            self.shown.clone(),
            self.role.clone(),
            if self.expired { "expired" } else { "active" }.to_owned(),
            if self.scopes.is_empty() { "all".to_owned() } else { self.scopes.join(",") },
            self.created_by.clone(),
            or(&self.last_used_at, "never"),
            or(&self.expires_at, "never"),
        ]
    }
}
