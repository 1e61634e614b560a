//! What the books hold, for gateways to count on from.

use std::collections::HashMap;
use std::time::Duration;

use ledger::Nanos;
use snapshot::Booked;
use store::{Events, Sums};
use tokio_util::sync::CancellationToken;

use crate::Manager;

/// Pause before a store that cannot be read is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What the books held at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// What each key spent, by id.
    pub(crate) keys: HashMap<String, Nanos>,
    /// Up to where that includes what gateways wrote down.
    pub(crate) booked: Vec<Booked>,
}

// === impl Manager ===

impl Manager {
    /// What was spent, as the store says. Tries until it can be read.
    pub(crate) async fn spent(&self) -> Spent {
        loop {
            match Spent::read(&self.store().events()).await {
                Ok(spent) => return spent,
                Err(error) => {
                    tracing::error!(%error, "cannot read what was spent, so gateways wait for it; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
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
    async fn read(events: &Events) -> Result<Self, store::Error> {
        let Sums { spend, positions } = events.booked().await?;
        let booked = positions.into_iter().map(|(gateway, position)| Booked { gateway, position });
        Ok(Self { keys: spend.into_iter().map(|(key, spend)| (key, spend.cost)).collect(), booked: booked.collect() })
    }
}
