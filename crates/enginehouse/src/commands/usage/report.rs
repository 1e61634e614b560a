use anyhow::Context as _;
use serde::Deserialize;

use super::Part;
use crate::output::{Column, Table, money};

/// What `GET /api/v1/usage` answers; only what is printed.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    rows: Vec<Row>,
    total: Row,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    key: Option<String>,
    alias: Option<String>,
    model: Option<String>,
    day: Option<String>,
    requests: u64,
    failed: u64,
    prompt_tokens: u64,
    cached_tokens: u64,
    completion_tokens: u64,
    cost: f64,
}

/// What stands after the parts that make a line.
const NUMBERS: [&str; 6] = ["REQUESTS", "FAILED", "PROMPT", "CACHED", "COMPLETION", "COST"];

// === impl Report ===

impl Report {
    /// Rows, then a line with the totals.
    pub(super) fn table(&self, by: &[Part]) -> Table {
        let columns = by.iter().map(|part| Column::text(part.title())).chain(NUMBERS.map(Column::number));
        let mut table = Table::new(&columns.collect::<Vec<_>>());
        for row in &self.rows {
            table.push(row.cells(by));
        }
        let mut total = self.total.cells(by);
        total[..by.len()].fill(String::new());
        "TOTAL".clone_into(&mut total[0]);
        table.push(total);
        table
    }

    /// Rows without totals, for programs. The key's id and alias are columns of their own.
    pub(super) fn csv(&self, by: &[Part]) -> anyhow::Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let parts = by.iter().map(|part| part.as_str());
        let alias = by.contains(&Part::Key).then_some("alias");
        let numbers = ["requests", "failed", "prompt_tokens", "cached_tokens", "completion_tokens", "cost"];
        writer.write_record(parts.chain(alias).chain(numbers))?;
        for row in &self.rows {
            let parts = by.iter().map(|part| row.part(*part).to_owned());
            let alias = alias.map(|_| row.alias.clone().unwrap_or_default());
            writer.write_record(parts.chain(alias).chain(row.numbers()))?;
        }
        String::from_utf8(writer.into_inner()?).context("the names are not UTF-8")
    }
}

// === impl Row ===

impl Row {
    fn cells(&self, by: &[Part]) -> Vec<String> {
        by.iter().map(|part| self.shown(*part).to_owned()).chain(self.numbers()).collect()
    }

    fn numbers(&self) -> [String; 6] {
        let counts = [self.requests, self.failed, self.prompt_tokens, self.cached_tokens, self.completion_tokens];
        let [requests, failed, prompt, cached, completion] = counts.map(|n| n.to_string());
        [requests, failed, prompt, cached, completion, money(self.cost)]
    }

    /// The name that people know the key by.
    fn shown(&self, part: Part) -> &str {
        match (part, &self.alias) {
            (Part::Key, Some(alias)) => alias,
            _ => self.part(part),
        }
    }

    fn part(&self, part: Part) -> &str {
        let text = match part {
            Part::Key => &self.key,
            Part::Model => &self.model,
            Part::Day => &self.day,
        };
        text.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report() -> Report {
        let row = |key: &str, alias: Option<&str>, model: &str, requests: u64, cost: f64| json!({"key": key, "alias": alias, "model": model, "requests": requests, "prompt_tokens": 10, "cost": cost});
        let rows = [row("k1", Some("note,book"), "tiny", 2, 0.000_001), row("master", None, "tiny", 1, 0.5)];
        serde_json::from_value(json!({"rows": rows, "total": {"requests": 3, "cost": 0.500_001}})).unwrap()
    }

    #[test]
    fn a_table_ends_in_the_totals() {
        let text = report().table(&[Part::Key, Part::Model]).render(None);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0][..3], ["KEY", "MODEL", "REQUESTS"]);
        assert_eq!(lines[1], ["note,book", "tiny", "2", "0", "10", "0", "0", "0.000001"]);
        assert_eq!(lines[2][0], "master");
        assert_eq!(lines[3], ["TOTAL", "3", "0", "0", "0", "0", "0.500001"]);
    }

    #[test]
    fn csv_quotes_names_and_keeps_ids() {
        let text = report().csv(&[Part::Key]).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "key,alias,requests,failed,prompt_tokens,cached_tokens,completion_tokens,cost");
        assert_eq!(lines[1], "k1,\"note,book\",2,0,10,0,0,0.000001");
        assert_eq!(lines.len(), 3);
    }
}
