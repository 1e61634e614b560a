use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use tokio::time::Instant;

use super::session::{Session, Work};
use super::tamper::{tamper, tamper_usage};
use crate::Fault;
use crate::call::Call;
use crate::error::ApiError;

/// Time for which the body pauses so that everything before is really written.
pub(super) const FLUSH: Duration = Duration::from_millis(2);

const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// One server-sent event.
#[derive(Debug)]
pub(crate) struct Event {
    /// The `event:` line, where the dialect has one.
    pub(crate) name: Option<&'static str>,
    /// The JSON after `data:`.
    pub(crate) json: Vec<u8>,
    /// Tokens in it; an event without any comes together with the one before.
    pub(crate) tokens: u32,
}

/// The events of an answer, made as they are sent.
pub(crate) trait Script: Send {
    /// The next event; none after the last.
    fn next(&mut self) -> Option<Event>;

    /// The last event of an answer that the server's end breaks off.
    fn abort(&mut self) -> Option<Event>;

    /// Whether the dialect ends a stream with `[DONE]`.
    fn says_done(&self) -> bool {
        true
    }

    /// The type of an answer that is no stream of events, but these bytes one after another.
    fn raw_type(&self) -> Option<&'static str> {
        None
    }
}

/// Answers with the events of `script`, each when it is due.
pub(crate) async fn stream(call: Call, work: Work, script: impl Script + 'static) -> Response {
    let session = Session::start(call, work, true).await;
    let content_type = script.raw_type().unwrap_or("text/event-stream; charset=utf-8");
    let due = session.first_due();
    let events = Events { session, script: Box::new(script), chunks: 0, due, tail: VecDeque::new(), over: false };
    let body = stream::unfold(events, |mut events| async move {
        events.next().await.map(|frame| (Ok::<_, Infallible>(frame), events))
    });
    ([(header::CONTENT_TYPE, content_type)], Body::from_stream(body)).into_response()
}

struct Events {
    session: Session,
    script: Box<dyn Script>,
    /// Events sent.
    chunks: u32,
    /// When the next token is due.
    due: Instant,
    /// The last frames, ready to be sent.
    tail: VecDeque<Bytes>,
    over: bool,
}

// === impl Event ===

impl Event {
    pub(crate) fn new(json: Vec<u8>, tokens: u32) -> Self {
        Self { name: None, json, tokens }
    }

    fn frame(self, fault: Option<Fault>, second: bool) -> Bytes {
        let json = tamper_usage(fault, self.json);
        let json = if second { tamper(fault, json) } else { json };
        let mut frame = Vec::with_capacity(json.len() + 48);
        if let Some(name) = self.name {
            frame.extend_from_slice(format!("event: {name}\n").as_bytes());
        }
        frame.extend_from_slice(b"data: ");
        frame.extend_from_slice(&json);
        frame.extend_from_slice(b"\n\n");
        frame.into()
    }
}

// === impl Events ===

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        if !self.over {
            if let Some(frame) = self.next_event().await {
                return Some(frame);
            }
            self.over = true;
        }
        self.tail.pop_front()
    }

    /// The next event of the script as a frame; at the end, leaves the tail to be sent.
    async fn next_event(&mut self) -> Option<Bytes> {
        if self.break_off().await {
            return None;
        }
        let Some(event) = self.script.next() else {
            self.session.finish();
            self.close(None);
            return None;
        };
        if self.session.wait(self.due).await.is_err() {
            let last = self.script.abort();
            self.session.call.entry.fail();
            self.close(last);
            return None;
        }
        if event.tokens > 0 {
            self.due += Duration::from_millis(self.session.pace.inter_token_ms);
            self.session.sent(event.tokens);
        }
        self.chunks += 1;
        if self.script.raw_type().is_some() {
            return Some(event.json.into());
        }
        Some(event.frame(self.session.call.fault, self.chunks == 2))
    }

    /// Carries out the fault that stands before the next chunk; true if the stream ends by it.
    async fn break_off(&mut self) -> bool {
        let call = &self.session.call;
        match call.fault {
            Some(Fault::Stall { after }) if after == self.chunks => {
                call.app.stopping.cancelled().await;
                false
            }
            Some(Fault::Cut { after }) if after == self.chunks => {
                tokio::time::sleep(FLUSH).await;
                call.entry.fail();
                call.wire.cut_next();
                false
            }
            // The cut chunk must go out alone; then there is no connection left for another.
            Some(Fault::Cut { after }) if self.chunks > after => {
                tokio::time::sleep(FLUSH).await;
                true
            }
            Some(Fault::ErrorEvent { after }) if after == self.chunks => {
                call.entry.fail();
                let json = serde_json::to_vec(&ApiError::engine_dead().body()).unwrap_or_default();
                self.close(Some(Event::new(json, 0)));
                true
            }
            _ => false,
        }
    }

    /// Leaves `last` and the end mark to be sent.
    fn close(&mut self, last: Option<Event>) {
        if self.script.raw_type().is_some() {
            return;
        }
        self.tail.extend(last.map(|event| event.frame(None, false)));
        if self.script.says_done() && self.session.call.fault != Some(Fault::NoDone) {
            self.tail.push_back(DONE);
        }
    }
}
