use ledger::{Event, GatewayId};
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Sqlite, SqliteConnection};

use super::{bounded, bounded_cost, signed};
use crate::labels::Labels;

/// Numbers of events that go in with one statement. A statement costs more than a row (it goes to another thread and
/// back), so the drain's share of the processor is several times smaller than with a statement per event. But while one
/// runs, a request that needs the same core waits: the longest takes a fraction of a millisecond. Few lengths, so that all
/// stay prepared.
const LENGTHS: [usize; 3] = [64, 8, 1];

pub(super) const COLUMNS: [&str; 26] = [
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
    "requested_model",
];

/// For SQLite: inserts `events`, of which none should be there yet. False if one was: then not all are in, and the
/// transaction has to be given up for one that [inserts what is missing](insert_missing).
pub(super) async fn insert_new(
    connection: &mut SqliteConnection,
    gateway: GatewayId,
    events: &[Event],
    labels: &Labels,
) -> sqlx::Result<bool> {
    let mut rest = events;
    for length in LENGTHS {
        let sql = statement(length);
        while let Some((chunk, others)) = rest.split_at_checked(length) {
            if execute(connection, &sql, gateway, chunk, labels).await? < length as u64 {
                return Ok(false);
            }
            rest = others;
        }
    }
    Ok(true)
}

/// For SQLite: inserts those of `events` that are not there yet, and gives them back.
pub(super) async fn insert_missing<'e>(
    connection: &mut SqliteConnection,
    gateway: GatewayId,
    events: &'e [Event],
    labels: &Labels,
) -> sqlx::Result<Vec<&'e Event>> {
    let sql = statement(1);
    let mut new = Vec::new();
    for event in events {
        if execute(connection, &sql, gateway, std::slice::from_ref(event), labels).await? == 1 {
            new.push(event);
        }
    }
    Ok(new)
}

/// Runs a [`statement`] on its rows; how many were not there yet.
async fn execute(
    connection: &mut SqliteConnection,
    sql: &str,
    gateway: GatewayId,
    rows: &[Event],
    labels: &Labels,
) -> sqlx::Result<u64> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(rows.len() * COLUMNS.len(), 0);
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
    let query = rows.iter().try_fold(query, |query, event| bind(query, gateway, event, labels))?;
    query.execute(connection).await.map(|done| done.rows_affected())
}

/// `INSERT` of so many rows.
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
        .bind(tags)
        .bind(open.requested.as_deref()))
}
