use std::collections::{HashMap, HashSet};

use ledger::{Event, GatewayId};

use super::insert::COLUMNS;
use super::{bounded, bounded_cost, signed};
use crate::Result;
use crate::database::{Insert, Transaction, Value};
use crate::labels::Labels;

const INSERT: Insert = Insert {
    head: "INSERT INTO events (gateway_id, sequence, request_id, key_id, model, surface, stream, opened_at, closed_at,
        outcome, status, prompt_tokens, cached_tokens, completion_tokens, images, audio_millis, characters, searches,
        usage_source, price_version, cost, first_byte_micros, attempts, team_id, tags,
        requested_model)",
    tail: "ON CONFLICT (gateway_id, sequence) DO NOTHING RETURNING sequence",
};

/// For PostgreSQL: inserts those of `events` that are not there yet, and gives them back. What another writer is about to
/// insert is waited for, so each event is new for one of them only.
pub(super) async fn insert<'e>(
    write: &mut Transaction<'_>,
    gateway: GatewayId,
    events: &'e [Event],
    labels: &Labels,
) -> Result<Vec<&'e Event>> {
    let mut first: HashMap<i64, &Event> = HashMap::with_capacity(events.len());
    for event in events {
        first.entry(signed(event.open.sequence)).or_insert(event);
    }
    // In order, so that writers of the same events wait for each other in one direction only.
    let mut distinct: Vec<_> = first.into_values().collect();
    distinct.sort_unstable_by_key(|event| event.open.sequence);
    let rows: Vec<_> = distinct.iter().map(|event| row(gateway, event, labels)).collect();
    let new = write.insert_returning(&INSERT, &rows).await?;
    let new = new.iter().map(|row| row.get("sequence")).collect::<Result<HashSet<i64>>>()?;
    distinct.retain(|event| new.contains(&signed(event.open.sequence)));
    Ok(distinct)
}

/// One row, in the order of [`COLUMNS`].
fn row<'e>(gateway: GatewayId, event: &'e Event, labels: &Labels) -> [Value<'e>; COLUMNS.len()] {
    let (open, usage) = (&event.open, &event.usage);
    let (team, tags) = labels.of(&open.key).map_or((None, None), |label| (label.team.clone(), label.tags.clone()));
    [
        gateway.0.cast_signed().into(),
        open.sequence.into(),
        (&*open.request_id).into(),
        (&*open.key).into(),
        (&*open.model).into(),
        (&*open.surface).into(),
        open.stream.into(),
        open.opened_at.into(),
        event.closed_at.into(),
        event.outcome.as_str().into(),
        event.status.into(),
        bounded(usage.prompt_tokens).into(),
        bounded(usage.cached_tokens).into(),
        bounded(usage.completion_tokens).into(),
        bounded(usage.images).into(),
        bounded(usage.audio_millis).into(),
        bounded(usage.characters).into(),
        bounded(usage.searches).into(),
        event.usage_source.as_str().into(),
        open.price.version.into(),
        bounded_cost(event.cost).into(),
        event.first_byte_micros.into(),
        // Cannot fail: it holds no map.
        serde_json::to_string(&event.attempts).unwrap_or_default().into(),
        team.into(),
        tags.into(),
        open.requested.as_deref().into(),
    ]
}
