//! Answers that go on: server-sent events (`text/event-stream`).

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use utoipa::ToSchema;

use crate::{Actor, Manager};

/// How often a reader hears something, also where nothing happens: proxies cut what is silent.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// A server-sent event, as the description shows it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is described, and written by another type")]
pub(super) struct StreamedEvent {
    /// What it is.
    event: Option<String>,
    /// JSON with what there is to tell.
    data: Option<String>,
    /// What to send as `last-event-id` to go on behind it, where that is possible.
    id: Option<String>,
}

/// Where events come from.
pub(super) trait Source: Send + 'static {
    /// The next event; none at the end.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

/// Answers with what `source` gives, until it ends, the service does, or `actor` would not be let in any more.
pub(super) fn answer(manager: Manager, actor: Actor, source: impl Source) -> Response {
    let events = stream::unfold((manager, actor, source), |(manager, actor, mut source)| async move {
        let closing = manager.closing().clone();
        let event = tokio::select! {
            () = closing.cancelled() => None,
            next = source.next() => next,
            () = tokio::time::sleep(HEARTBEAT) => Some(Event::default().comment("")),
        };
        let event = event.filter(|_| manager.still_admits(&actor))?;
        Some((Ok::<_, Infallible>(event), (manager, actor, source)))
    });
    Sse::new(events).into_response()
}
