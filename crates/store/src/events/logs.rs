use ambient::Timestamp;
use ledger::{Attempt, Nanos, Usage};

use super::Events;
use crate::Result;
use crate::database::{Row, Statement};

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
    /// Public name of the model that served it.
    pub model: String,
    /// Public name of the model that was asked for, where another one served.
    pub requested_model: Option<String>,
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
        self.database.fetch_by(&select(filter)).await?.iter().map(event).collect()
    }
}

fn select(filter: &LogsFilter) -> Statement<'_> {
    let mut statement = Statement::new("SELECT * FROM events WHERE TRUE");
    statement
        .bind_some(" AND key_id = ", filter.key.as_deref())
        .bind_some(" AND request_id = ", filter.request_id.as_deref())
        .bind_some(" AND closed_at >= ", filter.from)
        .bind_some(" AND closed_at < ", filter.before)
        .push(" ORDER BY closed_at DESC, sequence DESC")
        // A small limit that SQLite sees in advance makes it sort all events rather than read the newest by the index.
        .bind(" LIMIT 0 + ", filter.limit)
        .bind(" OFFSET ", filter.offset);
    statement
}

fn event(row: &Row) -> Result<LoggedEvent> {
    let tags: Option<String> = row.get("tags")?;
    Ok(LoggedEvent {
        request_id: row.get("request_id")?,
        key: row.get("key_id")?,
        model: row.get("model")?,
        requested_model: row.get("requested_model")?,
        surface: row.get("surface")?,
        stream: row.get("stream")?,
        opened_at: row.get("opened_at")?,
        closed_at: row.get("closed_at")?,
        outcome: row.get("outcome")?,
        status: row.get("status")?,
        usage: Usage {
            prompt_tokens: row.get("prompt_tokens")?,
            cached_tokens: row.get("cached_tokens")?,
            completion_tokens: row.get("completion_tokens")?,
            images: row.get("images")?,
            audio_millis: row.get("audio_millis")?,
            characters: row.get("characters")?,
            searches: row.get("searches")?,
        },
        usage_source: row.get("usage_source")?,
        price_version: row.get("price_version")?,
        cost: row.get("cost")?,
        first_byte_micros: row.get("first_byte_micros")?,
        attempts: row.json("attempts").unwrap_or_default(),
        team: row.get("team_id")?,
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
        let mut plan = Statement::new("EXPLAIN QUERY PLAN ");
        plan.append(select(filter));
        let rows = events.database.fetch_by(&plan).await.unwrap();
        rows.iter().map(|row| row.get::<String>("detail").unwrap()).collect::<Vec<_>>().join("; ")
    }

    #[tokio::test]
    async fn one_request_and_one_key_are_found_without_reading_all() {
        let request = LogsFilter { request_id: Some("r".into()), limit: 1, ..LogsFilter::default() };
        assert!(plan(&request).await.contains("INDEX events_request"));
        let key = LogsFilter { key: Some("k".into()), limit: 1, ..LogsFilter::default() };
        assert!(plan(&key).await.contains("INDEX events_key"));
        let latest = LogsFilter { limit: 1, ..LogsFilter::default() };
        let latest = plan(&latest).await;
        assert!(latest.contains("INDEX events_closed_at"), "{latest}");
    }
}
