use serde::Deserialize;
use serde_json::Value;

use crate::client;
use crate::output::{self, Column, Table, bytes};

/// Housekeeping as the admin API shows it; only what is printed.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    enabled: bool,
    interval_hours: u32,
    usage_retention_days: u32,
    expired_keys_days: Option<u32>,
    next_run_at: Option<String>,
    running: Option<Progress>,
    last_run: Option<Run>,
    failed: Option<Failure>,
    oldest_request_at: Option<String>,
    databases: Vec<Room>,
}

#[derive(Debug, Deserialize)]
struct Progress {
    since: String,
    requests: u64,
}

#[derive(Debug, Deserialize)]
struct Failure {
    at: String,
    message: String,
}

/// What a run did, or would do.
#[derive(Debug, Deserialize)]
struct Run {
    actor: String,
    ended_at: String,
    requests_before: String,
    requests: u64,
    keys: Vec<String>,
    freed_bytes: u64,
}

#[derive(Debug, Deserialize)]
struct Room {
    database: String,
    bytes: u64,
    free_bytes: u64,
    tables: Vec<TableRows>,
}

#[derive(Debug, Deserialize)]
struct TableRows {
    table: String,
    rows: u64,
}

/// Prints how things are.
pub(super) fn status(answer: &Value) -> anyhow::Result<()> {
    let status: Status = client::view(answer)?;
    output::note(&status.settings());
    for line in status.history() {
        output::note(&output::plain(&line));
    }
    Ok(output::table(&status.table())?)
}

/// Prints what a run would do.
pub(super) fn plan(answer: &Value) -> anyhow::Result<()> {
    let run: Run = client::view(answer)?;
    let Run { requests, requests_before, keys, .. } = &run;
    let keys = keys.len();
    Ok(output::data(&format!(
        "A run would take away {requests} requests (ended before {requests_before}) and {keys} keys."
    ))?)
}

/// Prints what a run did.
pub(super) fn done(answer: &Value) -> anyhow::Result<()> {
    let run: Run = client::view(answer)?;
    Ok(output::data(&format!("Took away {}.", run.summary()))?)
}

// === impl Status ===

impl Status {
    fn settings(&self) -> String {
        let when = match (self.enabled, &self.next_run_at) {
            (true, Some(next)) => format!("Runs every {} h, next at {next}", self.interval_hours),
            _ => "Does not run by itself (`housekeeping.enabled` in the desired state)".to_owned(),
        };
        let keys = match self.expired_keys_days {
            Some(days) => format!("keys go {days} days after they expired"),
            None => "expired keys stay".to_owned(),
        };
        let oldest = self.oldest_request_at.as_ref().map_or(String::new(), |at| format!(", the oldest from {at}"));
        format!("{when}. Single requests are kept for {} days{oldest}; {keys}.", self.usage_retention_days)
    }

    fn history(&self) -> Vec<String> {
        let running = self.running.as_ref();
        let running = running.map(|run| format!("Running since {}: {} requests so far.", run.since, run.requests));
        let last = self.last_run.as_ref();
        let last =
            last.map(|run| format!("Last run ({}) ended {}: took away {}.", run.actor, run.ended_at, run.summary()));
        let failed = self.failed.as_ref();
        let failed = failed.map(|run| format!("The run after that broke off at {}: {}", run.at, run.message));
        [last, failed, running].into_iter().flatten().collect()
    }

    fn table(&self) -> Table {
        let columns = [Column::text("DATABASE"), Column::text("TABLE"), Column::number("ROWS"), Column::number("SIZE")];
        let mut table = Table::new(&columns);
        for Room { database, bytes: size, free_bytes, tables } in &self.databases {
            let free = if *free_bytes > 0 { format!(" ({} free)", bytes(*free_bytes)) } else { String::new() };
            table.push(vec![database.clone(), String::new(), String::new(), bytes(*size) + &free]);
            for TableRows { table: name, rows } in tables {
                table.push(vec![String::new(), name.clone(), rows.to_string(), String::new()]);
            }
        }
        table
    }
}

// === impl Run ===

impl Run {
    fn summary(&self) -> String {
        let Self { requests, requests_before, keys, freed_bytes, .. } = self;
        let freed = bytes(*freed_bytes);
        format!("{requests} requests (ended before {requests_before}) and {} keys; freed {freed}", keys.len())
    }
}
