use std::error::Error;
use std::future::Future;

use crate::{Event, GatewayId, Position};

/// Where drained events go: the store.
pub trait Sink: Send + Sync + 'static {
    /// Why the sink refused; kept as text in the drain's status.
    type Error: Error + Send + Sync + 'static;

    /// The position of the last batch of this gateway that was committed; `None` if there was none yet.
    fn position(&self, gateway: GatewayId) -> impl Future<Output = Result<Option<Position>, Self::Error>> + Send;

    /// Commits a batch whole or not at all, durably, in one transaction:
    ///
    /// 1. insert each event under (`batch.gateway`, `event.open.sequence`), ignoring those already there;
    /// 2. add to the aggregates only the events that were newly inserted;
    /// 3. set the gateway's position to `batch.position`, also where that is a step back.
    ///
    /// A batch can come again: when its first commit succeeded but was not heard of, and, after damage to the spool,
    /// when the drain begins anew with all that is left. It can hold no event at all: then only the position moves.
    fn commit(&self, batch: &Batch) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Events to be committed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whose events these are.
    pub gateway: GatewayId,
    /// Requests that have ended, in the order in which they did.
    pub events: Vec<Event>,
    /// With these events, the sink includes everything before this position.
    pub position: Position,
}
