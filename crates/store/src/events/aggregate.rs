use std::collections::BTreeMap;

use ambient::Timestamp;
use ledger::{Event, Outcome};

use super::{bounded, bounded_cost};
use crate::Result;
use crate::database::{Insert, Value, Write};
use crate::labels::Label;

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

const KEYS: Insert = Insert {
    head: "INSERT INTO spend_by_key AS old (key_id, requests, tokens, cost)",
    tail: "ON CONFLICT (key_id) DO UPDATE SET requests = old.requests + excluded.requests,
        tokens = old.tokens + excluded.tokens, cost = old.cost + excluded.cost",
};

const DAYS: Insert = Insert {
    head: "INSERT INTO usage_by_day AS old (day, key_id, model, requests, failed, prompt_tokens, cached_tokens,
        completion_tokens, cost)",
    tail: "ON CONFLICT (day, key_id, model) DO UPDATE SET requests = old.requests + excluded.requests,
        failed = old.failed + excluded.failed, prompt_tokens = old.prompt_tokens + excluded.prompt_tokens,
        cached_tokens = old.cached_tokens + excluded.cached_tokens,
        completion_tokens = old.completion_tokens + excluded.completion_tokens, cost = old.cost + excluded.cost",
};

const MODELS: Insert = Insert {
    head: "INSERT INTO spend_by_model AS old (model, cost)",
    tail: "ON CONFLICT (model) DO UPDATE SET cost = old.cost + excluded.cost",
};

const TEAMS: Insert = Insert {
    head: "INSERT INTO spend_by_team AS old (team_id, requests, tokens, cost)",
    tail: "ON CONFLICT (team_id) DO UPDATE SET requests = old.requests + excluded.requests,
        tokens = old.tokens + excluded.tokens, cost = old.cost + excluded.cost",
};

const TEAM_DAYS: Insert = Insert {
    head: "INSERT INTO team_spend_by_day AS old (day, team_id, cost)",
    tail: "ON CONFLICT (day, team_id) DO UPDATE SET cost = old.cost + excluded.cost",
};

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

    /// Always in the same order, so that transactions of several writers wait for each other in one direction only.
    pub(super) async fn store(&self, write: &mut Write<'_>) -> Result<()> {
        write.insert_all(&KEYS, &named(&self.keys)).await?;
        let days = self.days.iter().map(|((day, key, model), sum)| {
            let [requests, failed, prompt, cached, completion, cost] = sum.values();
            [shown(*day).into(), (*key).into(), (*model).into(), requests, failed, prompt, cached, completion, cost]
        });
        write.insert_all(&DAYS, &days.collect::<Vec<_>>()).await?;
        let models = self.models.iter().map(|(model, cost)| [(*model).into(), (*cost).into()]);
        write.insert_all(&MODELS, &models.collect::<Vec<_>>()).await?;
        write.insert_all(&TEAMS, &named(&self.teams)).await?;
        let team_days =
            self.team_days.iter().map(|((day, team), cost)| [shown(*day).into(), team.into(), (*cost).into()]);
        write.insert_all(&TEAM_DAYS, &team_days.collect::<Vec<_>>()).await
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

    fn values<'a>(&self) -> [Value<'a>; 6] {
        [self.requests, self.failed, self.prompt, self.cached, self.completion, self.cost].map(Value::from)
    }
}

/// Name, requests, tokens and cost of each.
fn named<K: AsRef<str>>(sums: &BTreeMap<K, Sum>) -> Vec<[Value<'_>; 4]> {
    let row = |(name, sum): (&'_ K, &Sum)| {
        [name.as_ref().to_owned().into(), sum.requests.into(), (sum.prompt + sum.completion).into(), sum.cost.into()]
    };
    sums.iter().map(row).collect()
}

/// A request whose answer did not reach the client whole through no doing of the client.
fn is_failure(event: &Event) -> bool {
    matches!(event.outcome, Outcome::Failed | Outcome::Interrupted)
}

fn shown(day: i64) -> String {
    Timestamp::from_micros(day.saturating_mul(MICROS_PER_DAY)).day()
}
