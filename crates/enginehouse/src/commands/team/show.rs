use serde::Deserialize;
use serde_json::Value;

use super::super::outcome::warn;
use crate::client;
use crate::output::{self, Column, Table, money};

/// A team as the admin API shows it; only what is printed.
#[derive(Debug, Deserialize)]
struct Team {
    id: String,
    alias: Option<String>,
    models: Vec<String>,
    rpm: Option<u64>,
    tpm: Option<u64>,
    max_parallel: Option<u64>,
    max_budget: Option<f64>,
    budget_period: Option<String>,
    period_spend: Option<f64>,
    spend: f64,
    keys: usize,
    blocked: bool,
}

/// Prints all teams.
pub(super) fn list(answer: &Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(answer)?);
    }
    let teams: Vec<Team> = client::view(answer)?;
    if teams.is_empty() {
        output::note("No teams yet: `enginehouse team create` makes one.");
        return Ok(());
    }
    let columns = ["ID", "ALIAS", "STATE", "MODELS"].map(Column::text);
    let numbers = ["KEYS", "RPM", "TPM", "PARALLEL", "SPENT", "BUDGET"].map(Column::number);
    let mut table = Table::new(&[&columns[..], &numbers].concat());
    for team in &teams {
        table.push(team.cells());
    }
    Ok(output::table(&table)?)
}

/// Prints one team, a line a field.
pub(super) fn one(answer: &Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::json(answer)?);
    }
    let team: Team = client::view(answer)?;
    let titles = ["id", "alias", "state", "models", "keys", "rpm", "tpm", "parallel", "spent", "budget"];
    let lines = titles.iter().zip(team.cells()).map(|(title, cell)| format!("{title:9} {}", output::plain(&cell)));
    Ok(output::data(&lines.collect::<Vec<_>>().join("\n"))?)
}

/// Prints a team that was made or changed.
pub(super) fn changed(answer: &Value, as_json: bool) -> anyhow::Result<()> {
    warn(answer)?;
    one(answer, as_json)
}

// === impl Team ===

impl Team {
    /// In the order of the table's columns.
    fn cells(&self) -> Vec<String> {
        let count = |limit: Option<u64>| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        let budget = match (self.max_budget, &self.budget_period) {
            (Some(budget), Some(period)) => format!("{} per {period}", money(budget)),
            (Some(budget), None) => money(budget),
            (None, _) => "-".to_owned(),
        };
        vec![
            self.id.clone(),
            self.alias.clone().unwrap_or_else(|| "-".to_owned()),
            if self.blocked { "blocked" } else { "active" }.to_owned(),
            if self.models.is_empty() { "all".to_owned() } else { self.models.join(",") },
            self.keys.to_string(),
            count(self.rpm),
            count(self.tpm),
            count(self.max_parallel),
            money(self.period_spend.unwrap_or(self.spend)),
            budget,
        ]
    }
}
