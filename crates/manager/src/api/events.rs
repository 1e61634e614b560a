use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::response::sse::Event as Sent;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::Problem;
use super::stream::{self, Source, StreamedEvent};
use crate::events::{Event, Reader};
use crate::{Actor, Manager};

/// How long one waits for a place, as a hint.
const LATER: Duration = Duration::from_secs(10);

/// Somebody who follows the events.
struct Follower {
    manager: Manager,
    reader: Reader,
    /// Number of the last event that was read.
    seen: u64,
    waiting: VecDeque<Arc<Event>>,
    /// What is to be said first.
    first: Option<Sent>,
}

/// What happens, as it happens
///
/// Server-sent events: `change` (an audited action: `action`, `subject`, `actor`, `at`), `replica` (`id`, `model`,
/// `state`, `message`; with `percent` and `bytes` while its model is fetched), `job` (`id`, `state`, `revision`), `pull` (`id`,
/// `model`, `revision`, `state`, `percent`, `message`), `image` (`id`, `kind`, `subject`, `state`, `percent`, `message`) and
/// `restore` (`id`, `state`, `message`: what comes back after a start). Who
/// sends `last-event-id` goes on behind that event; of what is not kept any more, `missed` tells: read anew what you need then. Silence is broken every 15 seconds.
#[utoipa::path(get, path = "/events", operation_id = "events",
    params(("last-event-id" = Option<String>, Header, description = "id of the last event that was read")), responses(
    (status = 200, description = "events", body = StreamedEvent, content_type = "text/event-stream"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn events(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let full = || Problem::later(StatusCode::SERVICE_UNAVAILABLE, "too many follow the events already", LATER);
    let reader = manager.inner().events.reader().ok_or_else(full)?;
    let newest = *reader.newest.borrow();
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let known = last.and_then(|id| number(&manager, id)).filter(|number| *number <= newest);
    // An id of another run of the manager: what was missed cannot be told.
    let is_lost = last.is_some() && known.is_none();
    let first = is_lost.then(|| Sent::default().event("missed").data(json!({ "events": null }).to_string()));
    let follower = Follower {
        seen: known.unwrap_or(newest),
        manager: manager.clone(),
        reader,
        waiting: VecDeque::new(),
        // The header goes out at once, with something behind it.
        first: Some(first.unwrap_or_else(|| Sent::default().comment("following"))),
    };
    Ok(stream::answer(manager, actor, follower))
}

/// Has whoever follows the events told of a change at once.
pub(super) async fn announce(State(manager): State<Manager>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    if changes && response.status().is_success() {
        manager.inner().events.nudge();
    }
    response
}

// === impl Follower ===

impl Source for Follower {
    async fn next(&mut self) -> Option<Sent> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.seen = event.number;
                let id = id(&self.manager, event.number);
                return Some(Sent::default().id(id).event(event.kind).data(&event.data));
            }
            self.reader.newest.borrow_and_update();
            let (missed, events) = self.manager.inner().events.after(self.seen);
            self.waiting = events.into();
            if missed > 0 {
                self.seen += missed;
                return Some(Sent::default().event("missed").data(json!({ "events": missed }).to_string()));
            }
            if self.waiting.is_empty() {
                self.reader.newest.changed().await.ok()?;
            }
        }
    }
}

/// Tells events of this run of the manager from those of others.
fn id(manager: &Manager, number: u64) -> String {
    format!("{:x}-{number}", manager.started_at().as_micros())
}

fn number(manager: &Manager, id: &str) -> Option<u64> {
    let (run, number) = id.split_once('-')?;
    (i64::from_str_radix(run, 16) == Ok(manager.started_at().as_micros())).then(|| number.parse().ok())?
}
