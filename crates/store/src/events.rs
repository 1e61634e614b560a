use std::sync::Arc;

use ledger::drain::{Batch, Sink};
use ledger::{GatewayId, Position};

use crate::database::{Database, Row, Write, args};
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
mod unnest;
mod usage;
#[cfg(test)]
mod writers;

pub use logs::{LoggedEvent, LogsFilter};
pub use since::Spending;
pub use usage::{Spend, Sums, UsageBy, UsageFilter, UsageRow};

/// Most that one number of an event may add to a sum: a million units of currency, or 10¹⁵ tokens. Nothing
/// real comes near, and a sum can then never run over.
const MOST: u64 = 1_000_000_000_000_000;

/// Events that are summed up in one go, while requests on the same thread wait.
const SUMMED: usize = 128;

/// The books: events, and sums over them that are moved in the same transaction.
#[derive(Clone, Debug)]
pub struct Events {
    database: Arc<Database>,
    labels: Labels,
}

/// What is believed of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belief {
    /// None of it is there yet: so it is, but after a crash.
    New,
    /// Some of it may be.
    Unknown,
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
        let sql = "SELECT segment, offset_ FROM positions WHERE gateway_id = $1";
        let row = self.database.fetch_optional(sql, args![gateway.0.cast_signed()]).await?;
        row.map(|row| position(&row)).transpose()
    }

    /// One transaction that survives a power cut. An event that is there already, by gateway and sequence, is
    /// skipped, also in the sums: a batch can be committed again after a crash.
    async fn commit(&self, batch: &Batch) -> Result<()> {
        let mut write = self.database.write().await?;
        if !take_in(&mut write, batch, &self.labels, Belief::New).await? {
            drop(write);
            write = self.database.write().await?;
            take_in(&mut write, batch, &self.labels, Belief::Unknown).await?;
        }
        write.commit().await
    }
}

/// Takes a batch in; false, with nothing to be kept, where it was believed to be new and some of it was there.
async fn take_in(write: &mut Write<'_>, batch: &Batch, labels: &Labels, belief: Belief) -> Result<bool> {
    let Batch { gateway, events, position } = batch;
    let events = &trimmed::without(write, *gateway, events).await?;
    let new = match write {
        Write::Sqlite(write) => {
            let connection = write.connection();
            let new = match belief {
                Belief::New => insert::insert_new(connection, *gateway, events, labels)
                    .await
                    .map(|all| all.then(|| events.iter().collect())),
                Belief::Unknown => insert::insert_missing(connection, *gateway, events, labels).await.map(Some),
            };
            match new.map_err(|error| write.error(&error))? {
                Some(new) => new,
                None => return Ok(false),
            }
        }
        Write::Postgres(write) => unnest::insert(write, *gateway, events, labels).await?,
    };
    let mut sums = aggregate::Sums::default();
    for part in new.chunks(SUMMED) {
        for event in part {
            sums.add(event, labels.of(&event.open.key).as_deref());
        }
        tokio::task::yield_now().await;
    }
    sums.store(write).await?;
    let sql = "INSERT INTO positions (gateway_id, segment, offset_) VALUES ($1, $2, $3)
        ON CONFLICT (gateway_id) DO UPDATE SET segment = excluded.segment, offset_ = excluded.offset_";
    write.execute(sql, args![gateway.0.cast_signed(), position.segment, position.offset]).await.map(|_| true)
}

/// The store's integers are signed 64-bit; ours are often unsigned. Out of range saturates.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn bounded(number: u64) -> i64 {
    signed(number.min(MOST))
}

fn bounded_cost(cost: ledger::Nanos) -> i64 {
    cost.0.clamp(-signed(MOST), signed(MOST))
}

fn position(row: &Row) -> Result<Position> {
    Ok(Position { segment: row.get("segment")?, offset: row.get("offset_")? })
}
