use std::collections::HashMap;

use ambient::Timestamp;
use ledger::Nanos;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

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
    pub(super) async fn ever(connection: &mut SqliteConnection) -> sqlx::Result<Self> {
        let keys = named(connection, "SELECT key_id AS name, cost FROM spend_by_key").await?;
        let all = keys.values().copied().sum();
        let teams = named(connection, "SELECT team_id AS name, cost FROM spend_by_team").await?;
        let models = named(connection, "SELECT model AS name, cost FROM spend_by_model").await?;
        Ok(Self { keys, teams, models, all })
    }

    /// Since a moment: whole days out of the sums, the rest of its own day out of the events, and out of the sums of
    /// hours where events were trimmed. Of the hour that it lies in those count whole; periods begin with an hour by
    /// the time that their events can be trimmed.
    pub(super) async fn since(connection: &mut SqliteConnection, moment: Timestamp) -> sqlx::Result<Self> {
        let (day, part) = (moment.day(), moment.as_micros().rem_euclid(DAY));
        let mut spending = Self::default();
        // With a part of its own day, only the days after that are whole.
        let days = "SELECT key_id, model, NULL AS team_id, SUM(cost) AS cost FROM usage_by_day
             WHERE CASE WHEN $2 THEN day > $1 ELSE day >= $1 END GROUP BY key_id, model
             UNION ALL SELECT NULL, NULL, team_id, SUM(cost) FROM team_spend_by_day
             WHERE CASE WHEN $2 THEN day > $1 ELSE day >= $1 END GROUP BY team_id";
        let rows = sqlx::query(days).bind(day).bind(part > 0).fetch_all(&mut *connection).await?;
        rows.iter().try_for_each(|row| spending.add(row))?;
        if part > 0 {
            let midnight = moment.as_micros() - part + DAY;
            let events = "SELECT key_id, model, team_id, SUM(cost) AS cost FROM events
                 WHERE closed_at >= $1 AND closed_at < $2 GROUP BY key_id, model, team_id";
            let rows = sqlx::query(events).bind(moment.as_micros()).bind(midnight).fetch_all(&mut *connection).await?;
            rows.iter().try_for_each(|row| spending.add(row))?;
            let hours = "SELECT key_id, model, NULLIF(team_id, '') AS team_id, SUM(cost) AS cost FROM spend_by_hour
                 WHERE hour > $1 AND hour < $2 GROUP BY key_id, model, team_id";
            let rows = sqlx::query(hours).bind(moment.as_micros() - HOUR).bind(midnight).fetch_all(connection).await?;
            rows.iter().try_for_each(|row| spending.add(row))?;
        }
        Ok(spending)
    }

    fn add(&mut self, row: &SqliteRow) -> sqlx::Result<()> {
        let cost = Nanos(row.try_get("cost")?);
        let (key, model): (Option<String>, Option<String>) = (row.try_get("key_id")?, row.try_get("model")?);
        if let Some(team) = row.try_get::<Option<String>, _>("team_id")? {
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

async fn named(connection: &mut SqliteConnection, sql: &'static str) -> sqlx::Result<HashMap<String, Nanos>> {
    let rows = sqlx::query(sql).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("name")?, Nanos(row.try_get("cost")?)))).collect()
}
