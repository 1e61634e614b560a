//! What the books hold, for gateways to count on from.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use ambient::Timestamp;
use ledger::Nanos;
use snapshot::{Booked, BudgetPeriod, SpentBefore};
use store::{Events, Spending, Sums};
use tokio_util::sync::CancellationToken;

use crate::Manager;
use crate::compiler::{self, key_period, limits_of_team};

/// Pause before a store that cannot be read is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What the books held at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// What was spent since ever.
    pub(crate) ever: Spending,
    /// What was spent since runs of budgets' periods began.
    pub(crate) since: HashMap<Timestamp, Spending>,
    /// Up to where that includes what gateways wrote down.
    pub(crate) booked: Vec<Booked>,
}

// === impl Manager ===

impl Manager {
    /// What was spent, as the store says. Tries until it can be read.
    pub(crate) async fn spent(&self) -> Spent {
        loop {
            match self.try_spent().await {
                Ok(spent) => return spent,
                Err(error) => {
                    tracing::error!(%error, "cannot read what was spent, so gateways wait for it; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn try_spent(&self) -> Result<Spent, store::Error> {
        Spent::read(&self.store().events(), &self.budgets_begin()).await
    }

    /// Reads anew what was spent if a budget has a period now whose beginning was not asked for. Where that fails, the
    /// budget counts more than it should until the next time.
    pub(crate) async fn refresh_spent(&self) {
        if self.inner().outlet.knows_since(&self.budgets_begin()) {
            return;
        }
        match self.try_spent().await {
            Ok(spent) => self.inner().outlet.release(spent),
            Err(error) => tracing::warn!(%error, "cannot read what was spent in a budget's period; all counts for now"),
        }
    }

    /// When the present runs of all budgets' periods began.
    fn budgets_begin(&self) -> BTreeSet<Timestamp> {
        let (current, now) = (self.current(), self.config().clock.now());
        let keys = self.inner().keys.rows();
        let teams = self.inner().teams.rows();
        let of_keys = keys.iter().filter(|key| key.deleted_at.is_none()).filter_map(key_period);
        let of_teams = teams.iter().filter_map(|team| limits_of_team(team).budget_period);
        let of_document = std::iter::once(&current.document.limits)
            .chain(current.document.models.iter().map(|model| &model.limits))
            .filter_map(|limits| compiler::limits_of(limits).budget_period);
        of_keys.chain(of_teams).chain(of_document).map(|period| period.run(now).begins).collect()
    }

    /// Whenever a segment of a gateway's books is done with, publishes what was spent up to there: the gateway uses
    /// the segment again only once it has that. Until cancelled.
    pub(crate) async fn publish_booked(&self, cancel: &CancellationToken) {
        let mut status = self.drain_status();
        while let Some(Ok(())) = cancel.run_until_cancelled(status.changed()).await {
            let (gateway, committed) = {
                let status = status.borrow_and_update();
                (status.gateway, status.committed)
            };
            let (Some(gateway), Some(position)) = (gateway, committed) else { continue };
            if !self.inner().outlet.knows_of(Booked { gateway, position }) {
                let Some(spent) = cancel.run_until_cancelled(self.spent()).await else { return };
                self.inner().outlet.release(spent);
                self.publish();
            }
        }
    }
}

// === impl Spent ===

impl Spent {
    async fn read(events: &Events, moments: &BTreeSet<Timestamp>) -> Result<Self, store::Error> {
        let moments: Vec<_> = moments.iter().copied().collect();
        let Sums { spent, since, positions } = events.booked(&moments).await?;
        let booked = positions.into_iter().map(|(gateway, position)| Booked { gateway, position });
        Ok(Self { ever: spent, since: moments.into_iter().zip(since).collect(), booked: booked.collect() })
    }

    /// What one of all that can have a budget spent; `of` finds it.
    pub(crate) fn of(
        &self,
        period: Option<BudgetPeriod>,
        now: Timestamp,
        of: impl Fn(&Spending) -> Nanos,
    ) -> snapshot::Spent {
        let total = of(&self.ever);
        let before = period.and_then(|period| {
            let run = period.run(now).begins;
            let since = self.since.get(&run)?;
            Some(SpentBefore { run, nanos: total - of(since) })
        });
        snapshot::Spent { total, before }
    }
}
