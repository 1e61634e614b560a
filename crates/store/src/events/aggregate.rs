use std::collections::BTreeMap;

use ambient::Timestamp;
use ledger::{Event, Outcome};

use super::{bounded, bounded_cost};
use crate::labels::Label;

mod others;

/// What a batch adds to the sums.
#[derive(Debug, Default)]
pub(super) struct Sums<'e> {
    keys: BTreeMap<&'e str, Sum>,
    /// By days since the epoch, key and model.
    days: BTreeMap<(i64, &'e str, &'e str), Sum>,
    models: BTreeMap<&'e str, i64>,
    teams: BTreeMap<String, Sum>,
    /// Costs by days since the epoch and team.
    team_days: BTreeMap<(i64, String), i64>,
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

#[derive(Debug, Default)]
struct Sum {
    requests: i64,
    failed: i64,
    prompt: i64,
    cached: i64,
    completion: i64,
    cost: i64,
}

// === impl Sums ===

impl<'e> Sums<'e> {
    pub(super) fn add(&mut self, event: &'e Event, label: Option<&Label>) {
        let (key, model) = (&*event.open.key, &*event.open.model);
        self.keys.entry(key).or_default().add(event);
        let day = event.closed_at.as_micros().div_euclid(MICROS_PER_DAY);
        self.days.entry((day, key, model)).or_default().add(event);
        *self.models.entry(model).or_default() += bounded_cost(event.cost);
        if let Some(team) = label.and_then(|label| label.team.as_ref()) {
            self.teams.entry(team.clone()).or_default().add(event);
            *self.team_days.entry((day, team.clone())).or_default() += bounded_cost(event.cost);
        }
    }

    pub(super) async fn store(&self, connection: &mut sqlx::SqliteConnection) -> sqlx::Result<()> {
        for (key, sum) in &self.keys {
            store_key(connection, key, sum).await?;
        }
        for ((day, key, model), sum) in &self.days {
            store_day(connection, &shown(*day), key, model, sum).await?;
        }
        others::store_models(connection, &self.models).await?;
        for (team, sum) in &self.teams {
            others::store_team(connection, team, sum).await?;
        }
        for ((day, team), cost) in &self.team_days {
            others::store_team_day(connection, &shown(*day), team, *cost).await?;
        }
        Ok(())
    }
}

// === impl Sum ===

impl Sum {
    fn add(&mut self, event: &Event) {
        let usage = &event.usage;
        self.requests += 1;
        self.failed += i64::from(is_failure(event));
        self.prompt += bounded(usage.prompt_tokens);
        self.cached += bounded(usage.cached_tokens);
        self.completion += bounded(usage.completion_tokens);
        self.cost += bounded_cost(event.cost);
    }
}

/// A request whose answer did not reach the client whole through no doing of the client.
fn is_failure(event: &Event) -> bool {
    matches!(event.outcome, Outcome::Failed | Outcome::Interrupted)
}

fn shown(day: i64) -> String {
    Timestamp::from_micros(day.saturating_mul(MICROS_PER_DAY)).day()
}

async fn store_key(connection: &mut sqlx::SqliteConnection, key: &str, sum: &Sum) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO spend_by_key AS old (key_id, requests, tokens, cost) VALUES ($1, $2, $3, $4)
         ON CONFLICT (key_id) DO UPDATE SET requests = old.requests + excluded.requests,
         tokens = old.tokens + excluded.tokens, cost = old.cost + excluded.cost",
    )
    .bind(key)
    .bind(sum.requests)
    .bind(sum.prompt + sum.completion)
    .bind(sum.cost)
    .execute(connection)
    .await
    .map(drop)
}

async fn store_day(
    connection: &mut sqlx::SqliteConnection,
    day: &str,
    key: &str,
    model: &str,
    sum: &Sum,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO usage_by_day AS old (day, key_id, model, requests, failed, prompt_tokens, cached_tokens,
         completion_tokens, cost) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (day, key_id, model) DO UPDATE SET requests = old.requests + excluded.requests,
         failed = old.failed + excluded.failed, prompt_tokens = old.prompt_tokens + excluded.prompt_tokens,
         cached_tokens = old.cached_tokens + excluded.cached_tokens,
         completion_tokens = old.completion_tokens + excluded.completion_tokens, cost = old.cost + excluded.cost",
    )
    .bind(day)
    .bind(key)
    .bind(model)
    .bind(sum.requests)
    .bind(sum.failed)
    .bind(sum.prompt)
    .bind(sum.cached)
    .bind(sum.completion)
    .bind(sum.cost)
    .execute(connection)
    .await
    .map(drop)
}
