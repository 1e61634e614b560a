use std::collections::HashSet;

use ledger::{Event, GatewayId};
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use super::{bounded, bounded_cost, signed};
use crate::labels::Labels;

/// Events that go in with one statement. A statement costs more than a row: the drain's share of the processor
/// is several times smaller than with a statement per event.
const ROWS: usize = 64;

pub(super) const COLUMNS: [&str; 25] = [
    "gateway_id",
    "sequence",
    "request_id",
    "key_id",
    "model",
    "surface",
    "stream",
    "opened_at",
    "closed_at",
    "outcome",
    "status",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "images",
    "audio_millis",
    "characters",
    "searches",
    "usage_source",
    "price_version",
    "cost",
    "first_byte_micros",
    "attempts",
    "team_id",
    "tags",
];

/// For SQLite: inserts those of `events` that are not there yet, and gives them back.
pub(super) async fn insert<'e>(
    connection: &mut SqliteConnection,
    gateway: GatewayId,
    events: &'e [Event],
    labels: &Labels,
) -> sqlx::Result<Vec<&'e Event>> {
    let (many, one) = (statement(ROWS), statement(1));
    let mut new = Vec::with_capacity(events.len());
    for chunk in events.chunks(ROWS) {
        if chunk.len() == ROWS && are_all_new(connection, gateway, chunk).await? {
            execute(connection, &many, gateway, chunk, labels).await?;
            new.extend(chunk);
            continue;
        }
        for event in chunk {
            if execute(connection, &one, gateway, std::slice::from_ref(event), labels).await? == 1 {
                new.push(event);
            }
        }
    }
    Ok(new)
}

/// Whether no event of a full chunk is there yet, and none is in it twice.
async fn are_all_new(connection: &mut SqliteConnection, gateway: GatewayId, chunk: &[Event]) -> sqlx::Result<bool> {
    let sequences: HashSet<_> = chunk.iter().map(|event| signed(event.open.sequence)).collect();
    if sequences.len() < chunk.len() {
        return Ok(false);
    }
    let places = vec!["?"; chunk.len()].join(", ");
    let sql = format!("SELECT COUNT(*) FROM events WHERE gateway_id = ? AND sequence IN ({places})");
    let mut query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(gateway.0.cast_signed());
    for sequence in sequences {
        query = query.bind(sequence);
    }
    let known = query.fetch_one(connection).await?;
    Ok(known == 0)
}

/// Runs a [`statement`] on its rows; how many were not there yet.
async fn execute(
    connection: &mut SqliteConnection,
    sql: &str,
    gateway: GatewayId,
    rows: &[Event],
    labels: &Labels,
) -> sqlx::Result<u64> {
    let query =
        rows.iter().try_fold(sqlx::query(AssertSqlSafe(sql)), |query, event| bind(query, gateway, event, labels))?;
    query.execute(connection).await.map(|done| done.rows_affected())
}

/// `INSERT` of so many rows. Two lengths only, so that both stay prepared.
///
/// The places have no numbers: a numbered one has a name, and `SQLite` looks names up one after the other, each time a
/// row is bound; with this many that took more time than all else together.
fn statement(rows: usize) -> String {
    let row = format!("({})", ["?"; COLUMNS.len()].join(", "));
    format!(
        "INSERT INTO events ({}) VALUES {} ON CONFLICT (gateway_id, sequence) DO NOTHING",
        COLUMNS.join(", "),
        vec![row; rows].join(", ")
    )
}

type Insert<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Binds one row, in the order of [`COLUMNS`].
fn bind<'q>(query: Insert<'q>, gateway: GatewayId, event: &'q Event, labels: &Labels) -> sqlx::Result<Insert<'q>> {
    let (open, usage) = (&event.open, &event.usage);
    let attempts = serde_json::to_string(&event.attempts).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let (team, tags) = labels.of(&open.key).map_or((None, None), |label| (label.team.clone(), label.tags.clone()));
    Ok(query
        .bind(gateway.0.cast_signed())
        .bind(signed(open.sequence))
        .bind(&*open.request_id)
        .bind(&*open.key)
        .bind(&*open.model)
        .bind(&*open.surface)
        .bind(open.stream)
        .bind(open.opened_at.as_micros())
        .bind(event.closed_at.as_micros())
        .bind(event.outcome.as_str())
        .bind(i64::from(event.status))
        .bind(bounded(usage.prompt_tokens))
        .bind(bounded(usage.cached_tokens))
        .bind(bounded(usage.completion_tokens))
        .bind(bounded(usage.images))
        .bind(bounded(usage.audio_millis))
        .bind(bounded(usage.characters))
        .bind(bounded(usage.searches))
        .bind(event.usage_source.as_str())
        .bind(signed(open.price.version))
        .bind(bounded_cost(event.cost))
        .bind(event.first_byte_micros.map(signed))
        .bind(attempts)
        .bind(team)
        .bind(tags))
}
