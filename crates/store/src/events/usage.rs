use std::collections::BTreeMap;

use ambient::Timestamp;
use ledger::{GatewayId, Nanos, Position};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Events, Spending};
use crate::Result;
use crate::convert::unsigned;

/// What rows of usage are told apart by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageBy {
    /// By key.
    pub key: bool,
    /// By model.
    pub model: bool,
    /// By day (UTC).
    pub day: bool,
}

/// Which usage is asked for; what is none does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// First day, as `2026-11-20`.
    pub from: Option<String>,
    /// Last day, included.
    pub to: Option<String>,
    /// Id of a key.
    pub key: Option<String>,
    /// Name of a model.
    pub model: Option<String>,
}

/// Usage of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// Id of the key, where rows are told apart by it.
    pub key: Option<String>,
    /// Name of the model, where rows are told apart by it.
    pub model: Option<String>,
    /// The day, where rows are told apart by it.
    pub day: Option<String>,
    /// Requests that were admitted and have ended.
    pub requests: u64,
    /// Those that failed or were interrupted.
    pub failed: u64,
    /// Tokens of prompts, cached ones included.
    pub prompt_tokens: u64,
    /// Tokens of prompts that engines had cached.
    pub cached_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
    /// What it cost.
    pub cost: Nanos,
}

/// What a key used since ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spend {
    /// Requests that were admitted and have ended.
    pub requests: u64,
    /// Tokens of prompts and answers.
    pub tokens: u64,
    /// What it cost.
    pub cost: Nanos,
}

/// What the sums say, and up to where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// What was spent since ever.
    pub spent: Spending,
    /// What was spent since each moment that was asked for, in that order.
    pub since: Vec<Spending>,
    /// Up to where the books of every gateway are included.
    pub positions: Vec<(GatewayId, Position)>,
}

// === impl Events ===

impl Events {
    /// Usage in groups, ordered by day, key and model.
    pub async fn usage(&self, by: UsageBy, filter: &UsageFilter) -> Result<Vec<UsageRow>> {
        sqlx::query(
            "SELECT CASE WHEN $1 THEN day END AS day, CASE WHEN $2 THEN key_id END AS key_id,
             CASE WHEN $3 THEN model END AS model, SUM(requests) AS requests, SUM(failed) AS failed,
             SUM(prompt_tokens) AS prompt_tokens, SUM(cached_tokens) AS cached_tokens,
             SUM(completion_tokens) AS completion_tokens, SUM(cost) AS cost
             FROM usage_by_day
             WHERE ($4 IS NULL OR day >= $4) AND ($5 IS NULL OR day <= $5)
             AND ($6 IS NULL OR key_id = $6) AND ($7 IS NULL OR model = $7)
             GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        )
        .bind(by.day)
        .bind(by.key)
        .bind(by.model)
        .bind(&filter.from)
        .bind(&filter.to)
        .bind(&filter.key)
        .bind(&filter.model)
        .fetch_all(self.database.read()?)
        .await
        .and_then(|rows| rows.iter().map(usage_row).collect())
        .map_err(|error| self.database.error(&error))
    }

    /// What was spent since ever and since each of `moments`, and up to where that includes the books of every gateway:
    /// all as it was at one moment, also while they are drained.
    pub async fn booked(&self, moments: &[Timestamp]) -> Result<Sums> {
        let mut read = self.database.read()?.begin().await.map_err(|error| self.database.error(&error))?;
        sums(&mut read, moments).await.map_err(|error| self.database.error(&error))
    }

    /// What every key used since ever, by id.
    pub async fn spend(&self) -> Result<BTreeMap<String, Spend>> {
        sqlx::query("SELECT key_id, requests, tokens, cost FROM spend_by_key")
            .fetch_all(self.database.read()?)
            .await
            .and_then(|rows| rows.iter().map(spend_row).collect())
            .map_err(|error| self.database.error(&error))
    }

    /// What every team used since ever, by id.
    pub async fn spend_of_teams(&self) -> Result<BTreeMap<String, Spend>> {
        sqlx::query("SELECT team_id AS key_id, requests, tokens, cost FROM spend_by_team")
            .fetch_all(self.database.read()?)
            .await
            .and_then(|rows| rows.iter().map(spend_row).collect())
            .map_err(|error| self.database.error(&error))
    }

    /// What the key `id` used since ever.
    pub async fn spend_of(&self, id: &str) -> Result<Spend> {
        sqlx::query("SELECT key_id, requests, tokens, cost FROM spend_by_key WHERE key_id = $1")
            .bind(id)
            .fetch_optional(self.database.read()?)
            .await
            .and_then(|row| row.map_or_else(|| Ok(Spend::default()), |row| spend_row(&row).map(|(_, spend)| spend)))
            .map_err(|error| self.database.error(&error))
    }
}

fn usage_row(row: &SqliteRow) -> sqlx::Result<UsageRow> {
    let number = |name: &str| row.try_get::<i64, _>(name).map(unsigned);
    Ok(UsageRow {
        key: row.try_get("key_id")?,
        model: row.try_get("model")?,
        day: row.try_get("day")?,
        requests: number("requests")?,
        failed: number("failed")?,
        prompt_tokens: number("prompt_tokens")?,
        cached_tokens: number("cached_tokens")?,
        completion_tokens: number("completion_tokens")?,
        cost: Nanos(row.try_get("cost")?),
    })
}

async fn sums(connection: &mut SqliteConnection, moments: &[Timestamp]) -> sqlx::Result<Sums> {
    let spent = Spending::ever(connection).await?;
    let mut since = Vec::with_capacity(moments.len());
    for moment in moments {
        since.push(Spending::since(connection, *moment).await?);
    }
    let rows = sqlx::query("SELECT gateway_id, segment, offset_ FROM positions").fetch_all(connection).await?;
    let positions = rows
        .iter()
        .map(|row| Ok((GatewayId(row.try_get::<i64, _>("gateway_id")?.cast_unsigned()), super::position(row)?)));
    Ok(Sums { spent, since, positions: positions.collect::<sqlx::Result<_>>()? })
}

fn spend_row(row: &SqliteRow) -> sqlx::Result<(String, Spend)> {
    let spend = Spend {
        requests: unsigned(row.try_get("requests")?),
        tokens: unsigned(row.try_get("tokens")?),
        cost: Nanos(row.try_get("cost")?),
    };
    Ok((row.try_get("key_id")?, spend))
}
