use std::sync::Arc;

use ledger::drain::{Batch, Sink};
use ledger::{GatewayId, Position};
use sqlx::Row as _;

use crate::convert::{signed, unsigned};
use crate::database::Database;
use crate::labels::Labels;
use crate::{Error, Result};

mod aggregate;
mod insert;
mod logs;
mod since;
#[cfg(test)]
mod tests;
mod trim;
mod trimmed;
mod usage;

pub use logs::{LoggedEvent, LogsFilter};
pub use since::Spending;
pub use usage::{Spend, Sums, UsageBy, UsageFilter, UsageRow};

/// Most that one number of an event may add to a sum: a million units of currency, or 10¹⁵ tokens. Nothing
/// real comes near, and a sum can then never run over.
const MOST: u64 = 1_000_000_000_000_000;

/// The books: events, and sums over them that are moved in the same transaction.
#[derive(Clone, Debug)]
pub struct Events {
    database: Arc<Database>,
    labels: Labels,
}

// === impl Events ===

impl Events {
    pub(crate) const fn new(database: Arc<Database>, labels: Labels) -> Self {
        Self { database, labels }
    }
}

impl Sink for Events {
    type Error = Error;

    async fn position(&self, gateway: GatewayId) -> Result<Option<Position>> {
        sqlx::query("SELECT segment, offset_ FROM positions WHERE gateway_id = $1")
            .bind(gateway.0.cast_signed())
            .fetch_optional(self.database.read()?)
            .await
            .and_then(|row| row.map(|row| position(&row)).transpose())
            .map_err(|error| self.database.error(&error))
    }

    /// One transaction that survives a power cut. An event that is there already, by gateway and sequence, is
    /// skipped, also in the sums: a batch can be committed again after a crash.
    async fn commit(&self, batch: &Batch) -> Result<()> {
        let mut write = self.database.write().await?;
        take_in(write.connection(), batch, &self.labels).await.map_err(|error| write.error(&error))?;
        write.commit().await
    }
}

async fn take_in(connection: &mut sqlx::SqliteConnection, batch: &Batch, labels: &Labels) -> sqlx::Result<()> {
    let Batch { gateway, events, position } = batch;
    let mut sums = aggregate::Sums::default();
    let events = trimmed::without(connection, *gateway, events).await?;
    for event in insert::insert(connection, *gateway, &events, labels).await? {
        sums.add(event, labels.of(&event.open.key).as_deref());
    }
    sums.store(connection).await?;
    sqlx::query(
        "INSERT INTO positions (gateway_id, segment, offset_) VALUES ($1, $2, $3)
         ON CONFLICT (gateway_id) DO UPDATE SET segment = excluded.segment, offset_ = excluded.offset_",
    )
    .bind(gateway.0.cast_signed())
    .bind(signed(position.segment))
    .bind(signed(position.offset))
    .execute(connection)
    .await
    .map(drop)
}

fn bounded(number: u64) -> i64 {
    signed(number.min(MOST))
}

fn bounded_cost(cost: ledger::Nanos) -> i64 {
    cost.0.clamp(-signed(MOST), signed(MOST))
}

fn position(row: &sqlx::sqlite::SqliteRow) -> sqlx::Result<Position> {
    Ok(Position { segment: unsigned(row.try_get("segment")?), offset: unsigned(row.try_get("offset_")?) })
}
