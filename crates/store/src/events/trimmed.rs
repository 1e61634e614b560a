//! Which events are gone: the books must know one that comes again, also when its row was trimmed.
//!
//! Sequences are given away one after the other, and almost each becomes an event, so what is gone is a handful of runs.

use std::borrow::Cow;

use ledger::{Event, GatewayId};

use super::signed;
use crate::Result;
use crate::database::{Row, Write, args};

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
pub(super) async fn note(write: &mut Write<'_>, run: Run) -> Result<()> {
    // Those that touch it lie between the end of what lies before it and the start of what lies behind.
    const ENDS: &str = "SELECT MIN(first_sequence) AS first, MAX(last_sequence) AS last
        FROM trimmed WHERE gateway_id = $1 AND last_sequence >= $2 AND first_sequence <= $3";
    const DELETE: &str = "DELETE FROM trimmed WHERE gateway_id = $1 AND last_sequence >= $2 AND first_sequence <= $3";
    const INSERT: &str = "INSERT INTO trimmed (gateway_id, first_sequence, last_sequence) VALUES ($1, $2, $3)";
    let Run { gateway, first, last } = run;
    let touching = args![gateway, first.saturating_sub(1), last.saturating_add(1)];
    let ends = write.fetch_optional(ENDS, touching).await?;
    let (before, behind): (Option<i64>, Option<i64>) = match ends {
        Some(ends) => (ends.get("first")?, ends.get("last")?),
        None => (None, None),
    };
    write.execute(DELETE, touching).await?;
    let first = before.map_or(first, |before| before.min(first));
    let last = behind.map_or(last, |behind| behind.max(last));
    write.execute(INSERT, args![gateway, first, last]).await.map(drop)
}

/// Waits until nobody takes events in, and lets nobody begin to before this transaction has ended: an event that is
/// trimmed meanwhile would not be known to them. SQLite has one writer at a time anyhow.
pub(super) async fn shut(write: &mut Write<'_>) -> Result<()> {
    match write {
        Write::Sqlite(_) => Ok(()),
        Write::Postgres(_) => write.execute("LOCK TABLE trimmed IN EXCLUSIVE MODE", &[]).await.map(drop),
    }
}

/// Those of `events` that were not trimmed, and will not be before this transaction has ended.
pub(super) async fn without<'e>(
    write: &mut Write<'_>,
    gateway: GatewayId,
    events: &'e [Event],
) -> Result<Cow<'e, [Event]>> {
    if matches!(write, Write::Postgres(_)) {
        write.execute("LOCK TABLE trimmed IN ROW SHARE MODE", &[]).await?;
    }
    let sequences = || events.iter().map(|event| signed(event.open.sequence));
    let (Some(first), Some(last)) = (sequences().min(), sequences().max()) else { return Ok(Cow::Borrowed(events)) };
    let gateway = gateway.0.cast_signed();
    let sql = "SELECT first_sequence, last_sequence FROM trimmed
         WHERE gateway_id = $1 AND last_sequence >= $2 AND first_sequence <= $3";
    let rows = write.fetch_all(sql, args![gateway, first, last]).await?;
    let run = |row: &Row| -> Result<Run> {
        Ok(Run { gateway, first: row.get("first_sequence")?, last: row.get("last_sequence")? })
    };
    let runs: Vec<Run> = rows.iter().map(run).collect::<Result<_>>()?;
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
