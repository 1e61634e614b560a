use std::collections::BTreeMap;

use ambient::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::Events;
use super::trimmed::{self, Run};
use crate::Result;
use crate::convert::unsigned;

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
        let trimmed = trim(write.connection(), before, most).await.map_err(|error| write.error(&error))?;
        write.commit().await?;
        Ok(trimmed)
    }

    /// How many events were closed before `before`.
    pub async fn count_before(&self, before: Timestamp) -> Result<u64> {
        sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM events WHERE closed_at < $1")
            .bind(before.as_micros())
            .fetch_one(self.database.read()?)
            .await
            .map(unsigned)
            .map_err(|error| self.database.error(&error))
    }

    /// When the oldest event that is kept was closed.
    pub async fn oldest(&self) -> Result<Option<Timestamp>> {
        sqlx::query_scalar::<_, Option<i64>>("SELECT MIN(closed_at) FROM events")
            .fetch_one(self.database.read()?)
            .await
            .map(|micros| micros.map(Timestamp::from_micros))
            .map_err(|error| self.database.error(&error))
    }

    /// Forgets the sums of single hours before `before`, which no budget's period begins in any more; how many.
    pub async fn forget_hours(&self, before: Timestamp) -> Result<u64> {
        let mut write = self.database.write().await?;
        let forgotten = sqlx::query("DELETE FROM spend_by_hour WHERE hour < $1")
            .bind(before.as_micros())
            .execute(write.connection())
            .await
            .map_err(|error| write.error(&error))?;
        write.commit().await?;
        Ok(forgotten.rows_affected())
    }
}

async fn trim(connection: &mut SqliteConnection, before: Timestamp, most: u32) -> sqlx::Result<u64> {
    let rows = sqlx::query(
        "SELECT gateway_id, sequence, closed_at, key_id, model, team_id, cost FROM events
         WHERE closed_at < $1 ORDER BY closed_at LIMIT $2",
    )
    .bind(before.as_micros())
    .bind(i64::from(most))
    .fetch_all(&mut *connection)
    .await?;
    let events: Vec<Old> = rows.iter().map(Old::read).collect::<sqlx::Result<_>>()?;
    roll_up(connection, &events).await?;
    for run in Run::of(events.iter().map(|event| (event.gateway, event.sequence))) {
        trimmed::note(connection, run).await?;
        // The run has no gap, so it names no event but those that were just read.
        sqlx::query("DELETE FROM events WHERE gateway_id = $1 AND sequence >= $2 AND sequence <= $3")
            .bind(run.gateway)
            .bind(run.first)
            .bind(run.last)
            .execute(&mut *connection)
            .await?;
    }
    Ok(events.len() as u64)
}

/// Adds events to the sums of their hours.
async fn roll_up(connection: &mut SqliteConnection, events: &[Old]) -> sqlx::Result<()> {
    let mut sums: BTreeMap<&Place, i64> = BTreeMap::new();
    for event in events {
        *sums.entry(&event.place).or_default() += event.cost;
    }
    for ((hour, key, model, team), cost) in sums {
        sqlx::query(
            "INSERT INTO spend_by_hour AS old (hour, key_id, model, team_id, cost) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (hour, key_id, model, team_id) DO UPDATE SET cost = old.cost + excluded.cost",
        )
        .bind(hour)
        .bind(key)
        .bind(model)
        .bind(team)
        .bind(cost)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

// === impl Old ===

impl Old {
    fn read(row: &SqliteRow) -> sqlx::Result<Self> {
        let closed_at: i64 = row.try_get("closed_at")?;
        let hour = closed_at.div_euclid(HOUR) * HOUR;
        let team: Option<String> = row.try_get("team_id")?;
        Ok(Self {
            gateway: row.try_get("gateway_id")?,
            sequence: row.try_get("sequence")?,
            place: (hour, row.try_get("key_id")?, row.try_get("model")?, team.unwrap_or_default()),
            cost: row.try_get("cost")?,
        })
    }
}

#[cfg(test)]
mod tests;
