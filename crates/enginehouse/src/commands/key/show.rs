use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::outcome::warn;
use crate::client::{self, Client};
use crate::output::{self, Column, Table, money};

/// A key as the admin API shows it; only what is printed.
#[derive(Debug, Deserialize)]
struct Key {
    id: String,
    #[serde(default)]
    alias: Option<String>,
    /// `sk-...` and the last characters of the secret.
    #[serde(default, rename = "key_name")]
    shown: Option<String>,
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    team: Option<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    rpm: Option<u64>,
    #[serde(default)]
    tpm: Option<u64>,
    #[serde(default)]
    max_parallel: Option<u64>,
    #[serde(default)]
    max_budget: Option<f64>,
    #[serde(default)]
    budget_period: Option<String>,
    #[serde(default)]
    period_spend: Option<f64>,
    #[serde(default)]
    spend: f64,
    #[serde(default)]
    retries: Option<u32>,
    #[serde(default)]
    strategy: Option<String>,
    #[serde(default)]
    fallbacks: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    disable_fallbacks: bool,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    expired: bool,
}

/// A key just made or rotated.
#[derive(Debug, Deserialize)]
struct Fresh {
    key: String,
    id: String,
    #[serde(default)]
    alias: Option<String>,
}

/// Prints all keys.
pub(super) async fn list(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let answer = client.list("/api/v1/keys?limit=1000").await?;
    if as_json {
        return Ok(output::json(&answer)?);
    }
    let keys: Vec<Key> = client::view(&answer)?;
    if keys.is_empty() {
        output::note("No keys yet: `enginehouse key create` makes one.");
        return Ok(());
    }
    let columns = ["ID", "ALIAS", "KEY", "KIND", "STATE", "TEAM", "OWNER", "MODELS", "EXPIRES"].map(Column::text);
    let numbers = ["RPM", "TPM", "PARALLEL", "SPENT", "BUDGET"].map(Column::number);
    let mut table = Table::new(&[&columns[..8], &numbers, &columns[8..]].concat());
    for key in &keys {
        table.push(key.cells());
    }
    Ok(output::table(&table)?)
}

/// Prints one key, a line a field.
pub(super) fn one(answer: &Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(answer)?);
    }
    let key: Key = client::view(answer)?;
    let titles = [
        "id", "alias", "key", "kind", "state", "team", "owner", "models", "rpm", "tpm", "parallel", "spent", "budget",
        "expires",
    ];
    let cells = titles.iter().copied().zip(key.cells()).chain(key.routing());
    let lines = cells.map(|(title, cell)| format!("{title:9} {}", output::plain(&cell)));
    Ok(output::data(&lines.collect::<Vec<_>>().join("\n"))?)
}

/// Prints a fresh secret: alone on standard output, what is said about it on standard error.
pub(super) fn secret(answer: &Value, as_json: bool, quiet: bool, past: &str) -> anyhow::Result<()> {
    warn(answer)?;
    if as_json {
        return Ok(output::json(answer)?);
    }
    let fresh: Fresh = client::view(answer)?;
    if !quiet {
        let alias = fresh.alias.map(|alias| format!(" ({alias})")).unwrap_or_default();
        output::note(&format!("Key {}{} is {past}. It is shown this once:", fresh.id, output::plain(&alias)));
    }
    Ok(output::data(&fresh.key)?)
}

/// Prints a fresh master key in the same way.
pub(super) fn master(answer: &Value, as_json: bool, quiet: bool) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Master {
        key: String,
        file: Option<String>,
    }
    warn(answer)?;
    if as_json {
        return Ok(output::json(answer)?);
    }
    let fresh: Master = client::view(answer)?;
    if !quiet {
        let also = fresh.file.map(|file| format!(" {} holds it too.", output::plain(&file))).unwrap_or_default();
        output::note(&format!("The master key is rotated, and the old one is dead.{also} It is shown this once:"));
    }
    Ok(output::data(&fresh.key)?)
}

// === impl Key ===

impl Key {
    /// In the order of the table's columns.
    fn cells(&self) -> Vec<String> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let models = if self.models.is_empty() { "all".to_owned() } else { self.models.join(",") };
        vec![
            self.id.clone(),
            or_dash(self.alias.clone()),
            or_dash(self.shown.clone()),
            self.kind.clone(),
            self.state().to_owned(),
            or_dash(self.team.clone()),
            or_dash(self.owner.clone()),
            models,
            or_dash(self.rpm.map(|n| n.to_string())),
            or_dash(self.tpm.map(|n| n.to_string())),
            or_dash(self.max_parallel.map(|n| n.to_string())),
            money(self.period_spend.unwrap_or(self.spend)),
            or_dash(self.budget()),
            self.expires_at.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    }

    /// What it has in place of the settings of routing, if anything.
    fn routing(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        lines.extend(self.retries.map(|retries| ("retries", retries.to_string())));
        lines.extend(self.strategy.clone().map(|strategy| ("strategy", strategy)));
        let lists = self.fallbacks.iter().map(|(model, others)| format!("{model}={}", others.join(",")));
        match (self.disable_fallbacks, self.fallbacks.is_empty()) {
            (true, _) => lines.push(("fallbacks", "none".to_owned())),
            (false, false) => lines.push(("fallbacks", lists.collect::<Vec<_>>().join(" "))),
            (false, true) => {}
        }
        lines
    }

    fn budget(&self) -> Option<String> {
        let budget = money(self.max_budget?);
        Some(self.budget_period.as_ref().map_or_else(|| budget.clone(), |period| format!("{budget} per {period}")))
    }

    const fn state(&self) -> &'static str {
        match (self.blocked, self.expired) {
            (true, _) => "blocked",
            (false, true) => "expired",
            (false, false) => "active",
        }
    }
}
