use std::collections::BTreeMap;

use ambient::Timestamp;

use super::Events;
use super::trimmed::{self, Run};
use crate::Result;
use crate::database::{Insert, Row, Write, args};

/// Microseconds of an hour.
pub(super) const HOUR: i64 = 3_600_000_000;

/// Where in the rolled-up sums an event goes: hour, key, model, team.
type Place = (i64, String, String, String);

/// One event as trimming needs it.
struct Old {
    gateway: i64,
    sequence: i64,
    place: Place,
    cost: i64,
}

// === impl Events ===

impl Events {
    /// Takes away up to `most` of the events closed before `before`, the oldest first; how many it took. Sums stay as
    /// they are, those since an hour of long ago too, and an event that comes again is still known. One short
    /// transaction: the drain waits for no more than that.
    pub async fn trim(&self, before: Timestamp, most: u32) -> Result<u64> {
        let mut write = self.database.write().await?;
        let trimmed = trim(&mut write, before, most).await?;
        write.commit().await?;
        Ok(trimmed)
    }

    /// How many events were closed before `before`.
    pub async fn count_before(&self, before: Timestamp) -> Result<u64> {
        let sql = "SELECT COUNT(*) AS events FROM events WHERE closed_at < $1";
        self.database.fetch_optional(sql, args![before]).await?.map_or(Ok(0), |row| row.get("events"))
    }

    /// When the oldest event that is kept was closed.
    pub async fn oldest(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT MIN(closed_at) AS oldest FROM events";
        self.database.fetch_optional(sql, &[]).await?.map_or(Ok(None), |row| row.get("oldest"))
    }

    /// Forgets the sums of single hours before `before`, which no budget's period begins in any more; how many.
    pub async fn forget_hours(&self, before: Timestamp) -> Result<u64> {
        let mut write = self.database.write().await?;
        let forgotten = write.execute("DELETE FROM spend_by_hour WHERE hour < $1", args![before]).await?;
        write.commit().await?;
        Ok(forgotten)
    }
}

async fn trim(write: &mut Write<'_>, before: Timestamp, most: u32) -> Result<u64> {
    trimmed::shut(write).await?;
    let sql = "SELECT gateway_id, sequence, closed_at, key_id, model, team_id, cost FROM events
         WHERE closed_at < $1 ORDER BY closed_at LIMIT $2";
    let rows = write.fetch_all(sql, args![before, most]).await?;
    let events: Vec<Old> = rows.iter().map(Old::read).collect::<Result<_>>()?;
    roll_up(write, &events).await?;
    for run in Run::of(events.iter().map(|event| (event.gateway, event.sequence))) {
        trimmed::note(write, run).await?;
        // The run has no gap, so it names no event but those that were just read.
        let sql = "DELETE FROM events WHERE gateway_id = $1 AND sequence >= $2 AND sequence <= $3";
        write.execute(sql, args![run.gateway, run.first, run.last]).await?;
    }
    Ok(events.len() as u64)
}

/// Adds events to the sums of their hours.
async fn roll_up(write: &mut Write<'_>, events: &[Old]) -> Result<()> {
    const HOURS: Insert = Insert {
        head: "INSERT INTO spend_by_hour AS old (hour, key_id, model, team_id, cost)",
        tail: "ON CONFLICT (hour, key_id, model, team_id) DO UPDATE SET cost = old.cost + excluded.cost",
    };
    let mut sums: BTreeMap<&Place, i64> = BTreeMap::new();
    for event in events {
        *sums.entry(&event.place).or_default() += event.cost;
    }
    let rows = sums
        .into_iter()
        .map(|((hour, key, model, team), cost)| [(*hour).into(), key.into(), model.into(), team.into(), cost.into()]);
    write.insert_all(&HOURS, &rows.collect::<Vec<_>>()).await
}

// === impl Old ===

impl Old {
    fn read(row: &Row) -> Result<Self> {
        let closed_at: i64 = row.get("closed_at")?;
        let hour = closed_at.div_euclid(HOUR) * HOUR;
        let team: Option<String> = row.get("team_id")?;
        Ok(Self {
            gateway: row.get("gateway_id")?,
            sequence: row.get("sequence")?,
            place: (hour, row.get("key_id")?, row.get("model")?, team.unwrap_or_default()),
            cost: row.get("cost")?,
        })
    }
}

#[cfg(test)]
mod tests;
