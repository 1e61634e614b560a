use std::collections::HashMap;

use ambient::Timestamp;
use ledger::Nanos;

use crate::Result;
use crate::database::{Read, Row, args};

use super::trim::HOUR;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// What was spent, by everything that can have a budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// By key id.
    pub keys: HashMap<String, Nanos>,
    /// By team id.
    pub teams: HashMap<String, Nanos>,
    /// By name of the model.
    pub models: HashMap<String, Nanos>,
    /// Altogether.
    pub all: Nanos,
}

// === impl Spending ===

impl Spending {
    /// Since ever, out of the sums.
    pub(super) async fn ever(read: &mut Read<'_>) -> Result<Self> {
        let keys = named(read, "SELECT key_id AS name, cost FROM spend_by_key").await?;
        let all = keys.values().copied().sum();
        let teams = named(read, "SELECT team_id AS name, cost FROM spend_by_team").await?;
        let models = named(read, "SELECT model AS name, cost FROM spend_by_model").await?;
        Ok(Self { keys, teams, models, all })
    }

    /// Since a moment: whole days out of the sums, the rest of its own day out of the events, and out of the sums of
    /// hours where events were trimmed. Of the hour that it lies in those count whole; periods begin with an hour by
    /// the time that their events can be trimmed.
    pub(super) async fn since(read: &mut Read<'_>, moment: Timestamp) -> Result<Self> {
        let (day, part) = (moment.day(), moment.as_micros().rem_euclid(DAY));
        let mut spending = Self::default();
        // With a part of its own day, only the days after that are whole.
        let days = "SELECT key_id, model, NULL AS team_id, CAST(SUM(cost) AS BIGINT) AS cost FROM usage_by_day
             WHERE CASE WHEN $2 THEN day > $1 ELSE day >= $1 END GROUP BY key_id, model
             UNION ALL SELECT NULL, NULL, team_id, CAST(SUM(cost) AS BIGINT) FROM team_spend_by_day
             WHERE CASE WHEN $2 THEN day > $1 ELSE day >= $1 END GROUP BY team_id";
        let rows = read.fetch_all(days, args![day, part > 0]).await?;
        rows.iter().try_for_each(|row| spending.add(row))?;
        if part > 0 {
            let midnight = moment.as_micros() - part + DAY;
            let events = "SELECT key_id, model, team_id, CAST(SUM(cost) AS BIGINT) AS cost FROM events
                 WHERE closed_at >= $1 AND closed_at < $2 GROUP BY key_id, model, team_id";
            let rows = read.fetch_all(events, args![moment, midnight]).await?;
            rows.iter().try_for_each(|row| spending.add(row))?;
            let hours = "SELECT key_id, model, NULLIF(team_id, '') AS team_id, CAST(SUM(cost) AS BIGINT) AS cost
                 FROM spend_by_hour WHERE hour > $1 AND hour < $2 GROUP BY key_id, model, team_id";
            let rows = read.fetch_all(hours, args![moment.as_micros() - HOUR, midnight]).await?;
            rows.iter().try_for_each(|row| spending.add(row))?;
        }
        Ok(spending)
    }

    fn add(&mut self, row: &Row) -> Result<()> {
        let cost: Nanos = row.get("cost")?;
        let (key, model): (Option<String>, Option<String>) = (row.get("key_id")?, row.get("model")?);
        if let Some(team) = row.get::<Option<String>>("team_id")? {
            *self.teams.entry(team).or_default() += cost;
        }
        if let Some(key) = key {
            *self.keys.entry(key).or_default() += cost;
            self.all += cost;
        }
        if let Some(model) = model {
            *self.models.entry(model).or_default() += cost;
        }
        Ok(())
    }
}

async fn named(read: &mut Read<'_>, sql: &'static str) -> Result<HashMap<String, Nanos>> {
    let rows = read.fetch_all(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.get("name")?, row.get("cost")?))).collect()
}
