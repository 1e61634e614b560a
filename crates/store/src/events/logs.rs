use ambient::Timestamp;
use ledger::{Attempt, Nanos, Usage};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

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
        sqlx::query(
            "SELECT * FROM events
             WHERE ($1 IS NULL OR key_id = $1) AND ($2 IS NULL OR request_id = $2)
             AND ($3 IS NULL OR closed_at >= $3) AND ($4 IS NULL OR closed_at < $4)
             ORDER BY closed_at DESC, sequence DESC LIMIT $5 OFFSET $6",
        )
        .bind(&filter.key)
        .bind(&filter.request_id)
        .bind(filter.from.map(Timestamp::as_micros))
        .bind(filter.before.map(Timestamp::as_micros))
        .bind(i64::from(filter.limit))
        .bind(signed(filter.offset))
        .fetch_all(self.database.read()?)
        .await
        .and_then(|rows| rows.iter().map(event).collect())
        .map_err(|error| self.database.error(&error))
    }
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
