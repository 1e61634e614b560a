use serde::Deserialize;
use serde_json::Value;

use crate::client;
use crate::output::{self, Column, Table};

/// An account as the admin API shows it.
#[derive(Debug, Deserialize)]
struct Account {
    name: String,
    role: String,
    created_at: String,
    updated_at: String,
    #[serde(default)]
    password: Option<String>,
}

/// Prints all accounts.
pub(super) fn list(answer: &Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(answer)?);
    }
    let accounts: Vec<Account> = client::view(answer)?;
    if accounts.is_empty() {
        output::note("No accounts yet: the first `enginehouse serve` makes `admin`.");
        return Ok(());
    }
    let mut table = Table::new(&["NAME", "ROLE", "CREATED", "CHANGED"].map(Column::text));
    for account in accounts {
        table.push(vec![account.name, account.role, account.created_at, account.updated_at]);
    }
    Ok(output::table(&table)?)
}

/// Prints one account, a line a field.
pub(super) fn one(answer: &Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(answer)?);
    }
    let Account { name, role, created_at, updated_at, .. } = client::view(answer)?;
    let lines = [("name", name), ("role", role), ("created", created_at), ("changed", updated_at)];
    let lines = lines.map(|(title, value)| format!("{title:9} {}", output::plain(&value)));
    Ok(output::data(&lines.join("\n"))?)
}

/// Prints a password that was made: alone on standard output, what is said about it on standard error.
pub(super) fn provided(answer: &Value, as_json: bool, past: &str) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(answer)?);
    }
    let account: Account = client::view(answer)?;
    let name = output::plain(&account.name);
    match account.password {
        Some(password) => {
            output::note(&format!("The account {name} ({}) is {past}. Its password is shown this once:", account.role));
            Ok(output::data(&password)?)
        }
        None => Ok(output::data(&format!("{name} is {past}."))?),
    }
}
