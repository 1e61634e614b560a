use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use snapshot::Secret;
use tokio::time::{Instant, sleep_until};
use wire::sse::{self, Splitter};
use wire::{Answer, Chunk, ErrorBody};

use super::request::strip;
use super::{Answered, Fault, Inbound, Outbound};
use crate::edge::BufferPermit;
use crate::load::Form;
use crate::route::Pick;
use crate::timer::LazyTimer;

/// Bytes of an engine's error answer that are read.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// Bytes of names and values that the head of an engine's answer may have.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Characters of an engine's own words that are repeated in ours.
const MAX_ERROR_CHARS: usize = 300;

/// Headers of an answer that end here: about the connection to the engine, or the engine's own business.
static DROPPED: [&str; 11] = [
    "connection",
    "content-length",
    "date",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "keep-alive",
    "x-request-id",
];

/// What may be held in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaxBytes {
    /// Of one answer.
    pub(crate) answer: usize,
    /// Of all bodies together.
    pub(crate) sum: usize,
}

/// Sends `out` to the replica picked, and waits until its answer is there (whole) or has begun (stream).
pub(crate) async fn attempt(out: &Outbound, pick: &Pick, max: MaxBytes, timer: &LazyTimer) -> Result<Answered, Fault> {
    let timeouts = &pick.deployment.deployment.timeouts;
    // A whole answer has its first byte when all of it is made, so only the total can bound it.
    let (bound, late) = if out.load.stream() {
        (timeouts.first_byte, Fault::FirstByte(timeouts.first_byte))
    } else {
        (timeouts.total, Fault::Total(timeouts.total))
    };
    let exchange = pin!(exchange(out, pick, max));
    let result = match out.load.form() {
        None => timer.timeout(bound, exchange).await.ok_or(late)?,
        Some(form) => tokio::select! {
            result = exchange => result,
            () = too_late(form, bound) => Err(late),
        },
    };
    // An engine that was told half of a request cannot be blamed for what it makes of it.
    match out.load.form().and_then(Form::take_fault) {
        Some(fault) if result.is_err() => Err(Fault::Upload(fault)),
        _ => result,
    }
}

/// Waits until the engine has had `bound` for its answer; the time that the client takes to send does not count.
async fn too_late(form: &Form, bound: Duration) {
    let began = Instant::now();
    loop {
        let ends = form.waits_since().unwrap_or(began).max(began) + bound;
        if ends <= Instant::now() {
            return;
        }
        sleep_until(ends).await;
    }
}

async fn exchange(out: &Outbound, pick: &Pick, max: MaxBytes) -> Result<Answered, Fault> {
    let make = || (!out.load.form().is_some_and(Form::is_spent)).then(|| out.to(pick));
    let (mut head, body) = pick.replica.client.send_repeatable(make).await?.into_parts();
    if head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > MAX_HEAD_BYTES {
        return Err(Fault::TooLarge(MAX_HEAD_BYTES));
    }
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    strip(&mut head.headers, &DROPPED);
    match head.status {
        status if status.is_success() && is_event_stream(&head.headers) => begun(head, body).await,
        status if status.is_success() && out.api.answers_anything() && !is_json(&head.headers) => {
            first_bytes(head, body).await
        }
        status if status.is_success() => whole(head, body, out.room(), max).await,
        status => {
            let body = scrub(error_body(body).await, pick);
            if is_client_s_fault(status, out.load.names_response()) {
                return Ok(Answered::Refused { status, headers: head.headers, body });
            }
            let message = ErrorBody::message_of(&body, MAX_ERROR_CHARS);
            Err(Fault::Status { status: status.as_u16(), message, retry_after })
        }
    }
}

/// A stream has begun when its first event is there whole: until then another replica can take over.
async fn begun(head: Parts, mut rest: Inbound) -> Result<Answered, Fault> {
    let (mut splitter, mut event, mut frames) = (Splitter::default(), None, Vec::new());
    while event.is_none() {
        let frame = rest.frame().await.ok_or(Fault::Reset)?.map_err(|_| Fault::Reset)?;
        let data = frame.into_data().unwrap_or_default();
        splitter.push(data.clone(), |piece| event = event.take().or(Some(piece)));
        frames.push(data);
    }
    if let Some(data) = event.and_then(|event| sse::data(event.bytes()))
        && Chunk::parse(&data).is_some_and(|chunk| chunk.is_error)
    {
        return Err(Fault::ErrorEvent { message: ErrorBody::message_of(&data, MAX_ERROR_CHARS) });
    }
    let first = if frames.len() == 1 { frames.remove(0) } else { frames.concat().into() };
    Ok(Answered::Stream { is_events: true, status: head.status, headers: head.headers, first, rest })
}

/// An answer that is no JSON has begun when its first bytes are there. One that is empty is whole.
async fn first_bytes(head: Parts, mut rest: Inbound) -> Result<Answered, Fault> {
    let mut first = Bytes::new();
    while first.is_empty() {
        let Some(frame) = rest.frame().await else { break };
        first = frame.map_err(|_| Fault::Reset)?.into_data().unwrap_or_default();
    }
    Ok(Answered::Stream { is_events: false, status: head.status, headers: head.headers, first, rest })
}

async fn whole(head: Parts, mut rest: Inbound, mut permit: BufferPermit, max: MaxBytes) -> Result<Answered, Fault> {
    let mut body = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(frame) = rest.frame().await {
        let Ok(data) = frame.map_err(|_| Fault::Reset)?.into_data() else { continue };
        if body.len() + more.len() + data.len() > max.answer {
            return Err(Fault::TooLarge(max.answer));
        }
        permit.grow(data.len(), max.sum).map_err(|_| Fault::NoRoom)?;
        // Most answers come in one frame, which then is the body.
        if body.is_empty() {
            body = data;
        } else {
            more.extend_from_slice(&data);
        }
    }
    if !more.is_empty() {
        body = [body.as_ref(), more.as_ref()].concat().into();
    }
    let answer = Answer::parse(&body).map_err(|_| Fault::NotJson)?;
    Ok(Answered::Whole { status: head.status, headers: head.headers, body, answer, permit })
}

async fn error_body(mut rest: Inbound) -> Bytes {
    let mut body = BytesMut::new();
    while let Some(Ok(frame)) = rest.frame().await {
        if let Some(data) = frame.data_ref() {
            body.extend_from_slice(&data[..data.len().min(MAX_ERROR_BYTES - body.len())]);
        }
        if body.len() == MAX_ERROR_BYTES {
            break;
        }
    }
    body.freeze()
}

/// An engine's error without the credential that we presented, which some repeat.
fn scrub(body: Bytes, pick: &Pick) -> Bytes {
    let credential = pick.deployment.deployment.credential.as_ref().map(Secret::expose).filter(|text| !text.is_empty());
    match (credential, std::str::from_utf8(&body)) {
        (Some(credential), Ok(text)) if text.contains(credential) => text.replace(credential, "***").into(),
        _ => body,
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// Whether a refusal is about the request itself. Credentials (401, 403), names and paths (404) are ours to get
/// right, and waiting (408, 429) is worth a try elsewhere.
/// A path that names a response can name one that is not there.
fn is_client_s_fault(status: StatusCode, names_response: bool) -> bool {
    if names_response && matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
        return true;
    }
    status.is_client_error()
        && !matches!(
            status,
            StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
        )
}
