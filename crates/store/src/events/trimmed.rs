//! Which events are gone: the books must know one that comes again, also when its row was trimmed.
//!
//! Sequences are given away one after the other, and almost each becomes an event, so what is gone is a handful of runs.

use std::borrow::Cow;

use ledger::{Event, GatewayId};
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use crate::convert::signed;

/// Sequences of one gateway without a gap, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) gateway: i64,
    pub(super) first: i64,
    pub(super) last: i64,
}

// === impl Run ===

impl Run {
    /// The fewest runs that hold exactly these events.
    pub(super) fn of(events: impl Iterator<Item = (i64, i64)>) -> Vec<Self> {
        let mut events: Vec<_> = events.collect();
        events.sort_unstable();
        let mut runs: Vec<Self> = Vec::new();
        for (gateway, sequence) in events {
            match runs.last_mut() {
                Some(run) if run.gateway == gateway && sequence <= run.last.saturating_add(1) => run.last = sequence,
                _ => runs.push(Self { gateway, first: sequence, last: sequence }),
            }
        }
        runs
    }

    const fn holds(&self, sequence: i64) -> bool {
        self.first <= sequence && sequence <= self.last
    }
}

/// Writes down that a run is gone, as part of its neighbours where it touches them.
pub(super) async fn note(connection: &mut SqliteConnection, run: Run) -> sqlx::Result<()> {
    let Run { gateway, first, last } = run;
    // Those that touch it lie between the end of what lies before it and the start of what lies behind.
    let touching = "FROM trimmed WHERE gateway_id = $1 AND last_sequence >= $2 AND first_sequence <= $3";
    let ends = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT MIN(first_sequence) AS first, MAX(last_sequence) AS last {touching}"
    )))
    .bind(gateway)
    .bind(first.saturating_sub(1))
    .bind(last.saturating_add(1))
    .fetch_one(&mut *connection)
    .await?;
    let (before, behind): (Option<i64>, Option<i64>) = (ends.try_get("first")?, ends.try_get("last")?);
    sqlx::query(sqlx::AssertSqlSafe(format!("DELETE {touching}")))
        .bind(gateway)
        .bind(first.saturating_sub(1))
        .bind(last.saturating_add(1))
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO trimmed (gateway_id, first_sequence, last_sequence) VALUES ($1, $2, $3)")
        .bind(gateway)
        .bind(before.map_or(first, |before| before.min(first)))
        .bind(behind.map_or(last, |behind| behind.max(last)))
        .execute(connection)
        .await
        .map(drop)
}

/// Those of `events` that were not trimmed.
pub(super) async fn without<'e>(
    connection: &mut SqliteConnection,
    gateway: GatewayId,
    events: &'e [Event],
) -> sqlx::Result<Cow<'e, [Event]>> {
    let sequences = || events.iter().map(|event| signed(event.open.sequence));
    let (Some(first), Some(last)) = (sequences().min(), sequences().max()) else { return Ok(Cow::Borrowed(events)) };
    let gateway = gateway.0.cast_signed();
    let rows = sqlx::query(
        "SELECT first_sequence, last_sequence FROM trimmed
         WHERE gateway_id = $1 AND last_sequence >= $2 AND first_sequence <= $3",
    )
    .bind(gateway)
    .bind(first)
    .bind(last)
    .fetch_all(connection)
    .await?;
    let run = |row: &sqlx::sqlite::SqliteRow| -> sqlx::Result<Run> {
        Ok(Run { gateway, first: row.try_get("first_sequence")?, last: row.try_get("last_sequence")? })
    };
    let runs: Vec<Run> = rows.iter().map(run).collect::<sqlx::Result<_>>()?;
    if runs.is_empty() {
        return Ok(Cow::Borrowed(events));
    }
    let is_new = |event: &&Event| !runs.iter().any(|run| run.holds(signed(event.open.sequence)));
    Ok(Cow::Owned(events.iter().filter(is_new).cloned().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_hold_exactly_what_they_are_made_of() {
        let runs = Run::of([(1, 3), (2, 9), (1, 2), (1, 7), (2, 8), (1, 3)].into_iter());
        let run = |gateway, first, last| Run { gateway, first, last };
        assert_eq!(runs, [run(1, 2, 3), run(1, 7, 7), run(2, 8, 9)]);
    }
}
