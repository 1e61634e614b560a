use std::collections::BTreeMap;

use ambient::Timestamp;
use ledger::{GatewayId, Nanos, Position};

use super::{Events, Spending};
use crate::Result;
use crate::database::{Read, Row, args};

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
    /// Only what follows this group: day, key and model, empty where rows are not told apart by it.
    pub after: Option<[String; 3]>,
    /// At most so many groups.
    pub limit: Option<u32>,
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
        let sql = "SELECT * FROM (
             SELECT CASE WHEN $1 THEN day ELSE '' END AS day, CASE WHEN $2 THEN key_id ELSE '' END AS key_id,
             CASE WHEN $3 THEN model ELSE '' END AS model, CAST(SUM(requests) AS BIGINT) AS requests,
             CAST(SUM(failed) AS BIGINT) AS failed, CAST(SUM(prompt_tokens) AS BIGINT) AS prompt_tokens,
             CAST(SUM(cached_tokens) AS BIGINT) AS cached_tokens,
             CAST(SUM(completion_tokens) AS BIGINT) AS completion_tokens, CAST(SUM(cost) AS BIGINT) AS cost
             FROM usage_by_day
             WHERE ($4 IS NULL OR day >= $4) AND ($5 IS NULL OR day <= $5)
             AND ($6 IS NULL OR key_id = $6) AND ($7 IS NULL OR model = $7)
             GROUP BY 1, 2, 3) AS grouped
             WHERE $8 IS NULL OR (day, key_id, model) > ($8, $9, $10)
             ORDER BY day, key_id, model LIMIT $11";
        let [day, key, model] = filter.after.clone().map_or([None, None, None], |after| after.map(Some));
        let limit = filter.limit.unwrap_or(u32::MAX);
        let UsageFilter { from, to, key: only_key, model: only_model, .. } = filter;
        let args = args![by.day, by.key, by.model, from, to, only_key, only_model, &day, &key, &model, limit];
        self.database.fetch_all(sql, args).await?.iter().map(|row| usage_row(row, by)).collect()
    }

    /// What was spent since ever and since each of `moments`, and up to where that includes the books of every gateway:
    /// all as it was at one moment, also while they are drained.
    pub async fn booked(&self, moments: &[Timestamp]) -> Result<Sums> {
        sums(&mut self.database.read().await?, moments).await
    }

    /// What every key used since ever, by id.
    pub async fn spend(&self) -> Result<BTreeMap<String, Spend>> {
        let rows = self.database.fetch_all("SELECT key_id, requests, tokens, cost FROM spend_by_key", &[]).await?;
        rows.iter().map(spend_row).collect()
    }

    /// What every team used since ever, by id.
    pub async fn spend_of_teams(&self) -> Result<BTreeMap<String, Spend>> {
        let sql = "SELECT team_id AS key_id, requests, tokens, cost FROM spend_by_team";
        self.database.fetch_all(sql, &[]).await?.iter().map(spend_row).collect()
    }

    /// What the key `id` used since ever.
    pub async fn spend_of(&self, id: &str) -> Result<Spend> {
        let sql = "SELECT key_id, requests, tokens, cost FROM spend_by_key WHERE key_id = $1";
        let row = self.database.fetch_optional(sql, args![id]).await?;
        row.map_or_else(|| Ok(Spend::default()), |row| spend_row(&row).map(|(_, spend)| spend))
    }
}

fn usage_row(row: &Row, by: UsageBy) -> Result<UsageRow> {
    Ok(UsageRow {
        key: by.key.then(|| row.get("key_id")).transpose()?,
        model: by.model.then(|| row.get("model")).transpose()?,
        day: by.day.then(|| row.get("day")).transpose()?,
        requests: row.get("requests")?,
        failed: row.get("failed")?,
        prompt_tokens: row.get("prompt_tokens")?,
        cached_tokens: row.get("cached_tokens")?,
        completion_tokens: row.get("completion_tokens")?,
        cost: row.get("cost")?,
    })
}

async fn sums(read: &mut Read<'_>, moments: &[Timestamp]) -> Result<Sums> {
    let spent = Spending::ever(read).await?;
    let mut since = Vec::with_capacity(moments.len());
    for moment in moments {
        since.push(Spending::since(read, *moment).await?);
    }
    let rows = read.fetch_all("SELECT gateway_id, segment, offset_ FROM positions", &[]).await?;
    let positions =
        rows.iter().map(|row| Ok((GatewayId(row.get::<i64>("gateway_id")?.cast_unsigned()), super::position(row)?)));
    Ok(Sums { spent, since, positions: positions.collect::<Result<_>>()? })
}

fn spend_row(row: &Row) -> Result<(String, Spend)> {
    let spend = Spend { requests: row.get("requests")?, tokens: row.get("tokens")?, cost: row.get("cost")? };
    Ok((row.get("key_id")?, spend))
}
