use ambient::Timestamp;
use ledger::{Attempt, Nanos, Usage};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::Events;
use crate::Result;
use crate::convert::{signed, unsigned, unsigned_option};

/// Which events are asked for; what is none does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogsFilter {
    /// Id of a key.
    pub key: Option<String>,
    /// Id of a request.
    pub request_id: Option<String>,
    /// Closed at or after.
    pub from: Option<Timestamp>,
    /// Closed before.
    pub before: Option<Timestamp>,
    /// Events that are left out from the newest on.
    pub offset: u64,
    /// Events at most.
    pub limit: u32,
}

/// One event as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Id in logs, in `x-request-id` and towards the engine.
    pub request_id: String,
    /// Id of the key.
    pub key: String,
    /// Public name of the model.
    pub model: String,
    /// Which API was called, as `chat/completions`.
    pub surface: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// When it was admitted.
    pub opened_at: Timestamp,
    /// When it ended.
    pub closed_at: Timestamp,
    /// How it ended, in a word of [`ledger::Outcome`].
    pub outcome: String,
    /// Status that the client saw; 0 if none was sent.
    pub status: u16,
    /// What it used.
    pub usage: Usage,
    /// Where the numbers come from, in a word of [`ledger::UsageSource`].
    pub usage_source: String,
    /// Number of the revision that set the price.
    pub price_version: u64,
    /// What it cost.
    pub cost: Nanos,
    /// Microseconds from admission to the first byte relayed.
    pub first_byte_micros: Option<u64>,
    /// Tries in order.
    pub attempts: Vec<Attempt>,
    /// Id of the team that the key belonged to.
    pub team: Option<String>,
    /// Tags that the key had.
    pub tags: Vec<String>,
}

// === impl Events ===

impl Events {
    /// A page of events, the one closed last first.
    pub async fn logs(&self, filter: &LogsFilter) -> Result<Vec<LoggedEvent>> {
        let mut query = select(filter);
        query
            .build()
            .fetch_all(self.database.read()?)
            .await
            .and_then(|rows| rows.iter().map(event).collect())
            .map_err(|error| self.database.error(&error))
    }
}

/// Only what is asked for stands in the statement: what might be none would keep the indexes from being used.
fn select(filter: &LogsFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT * FROM events WHERE TRUE");
    if let Some(key) = &filter.key {
        query.push(" AND key_id = ").push_bind(key.clone());
    }
    if let Some(request_id) = &filter.request_id {
        query.push(" AND request_id = ").push_bind(request_id.clone());
    }
    if let Some(from) = filter.from {
        query.push(" AND closed_at >= ").push_bind(from.as_micros());
    }
    if let Some(before) = filter.before {
        query.push(" AND closed_at < ").push_bind(before.as_micros());
    }
    query.push(" ORDER BY closed_at DESC, sequence DESC LIMIT ").push_bind(i64::from(filter.limit));
    query.push(" OFFSET ").push_bind(signed(filter.offset));
    query
}

fn event(row: &SqliteRow) -> sqlx::Result<LoggedEvent> {
    let number = |name: &str| row.try_get::<i64, _>(name).map(unsigned);
    let time = |name: &str| row.try_get(name).map(Timestamp::from_micros);
    let (attempts, tags): (String, Option<String>) = (row.try_get("attempts")?, row.try_get("tags")?);
    Ok(LoggedEvent {
        request_id: row.try_get("request_id")?,
        key: row.try_get("key_id")?,
        model: row.try_get("model")?,
        surface: row.try_get("surface")?,
        stream: row.try_get("stream")?,
        opened_at: time("opened_at")?,
        closed_at: time("closed_at")?,
        outcome: row.try_get("outcome")?,
        status: u16::try_from(number("status")?).unwrap_or(0),
        usage: Usage {
            prompt_tokens: number("prompt_tokens")?,
            cached_tokens: number("cached_tokens")?,
            completion_tokens: number("completion_tokens")?,
            images: number("images")?,
            audio_millis: number("audio_millis")?,
            characters: number("characters")?,
            searches: number("searches")?,
        },
        usage_source: row.try_get("usage_source")?,
        price_version: number("price_version")?,
        cost: Nanos(row.try_get("cost")?),
        first_byte_micros: unsigned_option(row.try_get("first_byte_micros")?),
        attempts: serde_json::from_str(&attempts).unwrap_or_default(),
        team: row.try_get("team_id")?,
        tags: tags.and_then(|tags| serde_json::from_str(&tags).ok()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    /// How the database goes about a filter.
    async fn plan(filter: &LogsFilter) -> String {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path()).await.unwrap();
        let events = store.events();
        let text = format!("EXPLAIN QUERY PLAN {}", select(filter).sql().as_str());
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(events.database.read().unwrap()).await.unwrap();
        rows.iter().map(|row| row.try_get::<String, _>("detail").unwrap()).collect::<Vec<_>>().join("; ")
    }

    #[tokio::test]
    async fn one_request_and_one_key_are_found_without_reading_all() {
        let request = LogsFilter { request_id: Some("r".into()), limit: 1, ..LogsFilter::default() };
        assert!(plan(&request).await.contains("INDEX events_request"));
        let key = LogsFilter { key: Some("k".into()), limit: 1, ..LogsFilter::default() };
        assert!(plan(&key).await.contains("INDEX events_key"));
        let latest = LogsFilter { limit: 1, ..LogsFilter::default() };
        assert!(plan(&latest).await.contains("INDEX events_closed_at"));
    }
}
