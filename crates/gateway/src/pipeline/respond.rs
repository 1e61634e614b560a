use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use wire::{Edit, json_string, splice};

use super::Asked;
use crate::cache::{Fill, Kept};
use crate::edge::Body;
use crate::meter::{Account, Relay, Report, Source};
use crate::number::Figures;
use crate::responses::settle_when_made;
use crate::route::{Patience, Pick};
use crate::upstream::{Answered, MaxBytes};

/// What the response cache had for a request, where it is switched on: `hit`, `coalesced` or `miss`.
const CACHE_RESULT: HeaderName = HeaderName::from_static("x-enginehouse-cache");

/// Time that a request took here, apart from waiting for engines, in milliseconds.
const OVERHEAD: HeaderName = HeaderName::from_static("x-enginehouse-overhead-duration-ms");

/// Which replica answered.
const REPLICA: HeaderName = HeaderName::from_static("x-enginehouse-replica");

/// The model that answered, its deployment, and how often the request was tried again there and passed on to another
/// model; under our own names and under LiteLLM's.
const MODEL: [HeaderName; 2] =
    [HeaderName::from_static("x-enginehouse-model"), HeaderName::from_static("x-litellm-model-group")];
const DEPLOYMENT: [HeaderName; 2] =
    [HeaderName::from_static("x-enginehouse-deployment"), HeaderName::from_static("x-litellm-model-id")];
const RETRIES: HeaderName = HeaderName::from_static("x-litellm-attempted-retries");
const FALLBACKS: [HeaderName; 2] =
    [HeaderName::from_static("x-enginehouse-fallbacks"), HeaderName::from_static("x-litellm-attempted-fallbacks")];

/// Headers of our own in an answer: the request's id, our overhead, eight that say who answered, up to six of limits, and
/// hyper's length and date.
const OUR_HEADERS: usize = 18;

/// An answer that was given before, at no cost.
pub(super) fn replay(kept: &Kept, result: &'static str, mut account: Account) -> Response<Body> {
    let mut headers = kept.headers.clone();
    headers.insert(CACHE_RESULT, HeaderValue::from_static(result));
    account.answers_whole();
    account.relayed(kept.body.len(), 0);
    headers.insert(OVERHEAD, milliseconds(account.was_cached(StatusCode::OK.as_u16())));
    build(StatusCode::OK, headers, Body::full(kept.body.clone()))
}

/// What goes to the client. A whole answer is settled before it is sent, a stream before its last byte.
pub(super) fn respond(
    asked: Asked<'_>,
    pick: Pick,
    answered: Answered,
    mut account: Account,
    fill: Option<Fill>,
    retries: u32,
) -> Response<Body> {
    let Asked { serving, model, outbound, thread, peer, .. } = asked;
    let settings = &serving.settings;
    let deployment = &pick.deployment.deployment;
    let (id, fallbacks) = (pick.deployment.id.clone(), account.fallbacks());
    let overhead = account.answering(answered.status().as_u16());
    let replica = pick.replica.name();
    let mut response = match answered {
        Answered::Refused { status, headers, body } => {
            pick.replica.succeeded();
            account.failed(status.as_u16());
            build(status, headers, Body::full(openai_shaped(status, body)))
        }
        Answered::Whole { status, mut headers, body, answer, permit } => {
            pick.replica.succeeded();
            account.answers_whole();
            let report = Report::of(&answer, &body, outbound.api.meter());
            let in_background = thread.answered(&answer, &body, model, &pick);
            let edits = answer.model.filter(|_| *model.model.name != *deployment.upstream_model);
            let body = match edits {
                Some(span) => splice(&body, vec![Edit { span, text: json_string(&model.model.name) }]).concat().into(),
                None => body,
            };
            // Without a count that can be believed, four bytes of text make a token, as they do of a prompt.
            let estimate = if outbound.api.generates() { body.len() as u64 / 4 } else { 0 };
            let tokens = answer.usage.map_or(estimate, |usage| usage.completion_tokens);
            account.relayed(body.len(), tokens);
            match in_background {
                None => account.completed(report),
                Some(id) => {
                    let max = MaxBytes { answer: settings.max_response_bytes, sum: settings.max_buffered_bytes };
                    let look = outbound.look_at_response(&id, account.request_id());
                    tokio::spawn(settle_when_made(account, look, pick, max));
                }
            }
            if let Some(fill) = fill {
                fill.keep(status, &headers, &body);
                headers.insert(CACHE_RESULT, HeaderValue::from_static("miss"));
            }
            build(status, headers, Body::held(body, permit))
        }
        Answered::Stream { is_events, status, mut headers, first, rest } => {
            let bounds = (deployment.timeouts.between_bytes, deployment.timeouts.total);
            let upstream_model = deployment.upstream_model.clone();
            let deployment = deployment.id.clone();
            let keeper = thread.streams(model, &pick);
            let (model, peer, patience) = (model.clone(), peer.clone(), Patience::of(settings));
            let source = Source { model, deployment, replica: pick.replica, patience, _busy: pick.busy, peer };
            let mut relay = if is_events {
                let kind = (outbound.api.events(), outbound.load.hides_usage(outbound.api));
                Relay::events((first, rest), source, &upstream_model, kind, account, bounds)
            } else {
                Relay::opaque((first, rest), source, is_text(&headers), account, bounds)
            };
            relay.keep(keeper);
            if let Some(fill) = fill.filter(|_| status == StatusCode::OK) {
                relay.record(fill.record(headers.clone(), outbound.room(), settings.max_buffered_bytes));
                headers.insert(CACHE_RESULT, HeaderValue::from_static("miss"));
            }
            build(status, headers, Body::Relay(Box::new(relay)))
        }
    };
    let headers = response.headers_mut();
    headers.insert(OVERHEAD, milliseconds(overhead));
    headers.insert(REPLICA, replica);
    put(headers, MODEL, &model.name);
    put(headers, DEPLOYMENT, &id);
    headers.insert(RETRIES, small(retries));
    put(headers, FALLBACKS, &small(fallbacks));
    response
}

/// An engine's refusal where nobody took over.
pub(super) fn refuse(status: StatusCode, headers: HeaderMap, body: Bytes, account: &mut Account) -> Response<Body> {
    let overhead = account.answering(status.as_u16());
    account.failed(status.as_u16());
    let mut response = build(status, headers, Body::full(openai_shaped(status, body)));
    response.headers_mut().insert(OVERHEAD, milliseconds(overhead));
    response
}

fn put(headers: &mut HeaderMap, names: [HeaderName; 2], value: &HeaderValue) {
    let [ours, theirs] = names;
    headers.insert(ours, value.clone());
    headers.insert(theirs, value.clone());
}

/// A number that hardly ever has two figures, without an allocation where it has one.
fn small(number: u32) -> HeaderValue {
    static FIGURES: [HeaderValue; 8] = [
        HeaderValue::from_static("0"),
        HeaderValue::from_static("1"),
        HeaderValue::from_static("2"),
        HeaderValue::from_static("3"),
        HeaderValue::from_static("4"),
        HeaderValue::from_static("5"),
        HeaderValue::from_static("6"),
        HeaderValue::from_static("7"),
    ];
    FIGURES.get(number as usize).cloned().unwrap_or_else(|| HeaderValue::from(number))
}

/// As `0.123`.
fn milliseconds(duration: Duration) -> HeaderValue {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    Figures::of(micros / 1_000).text(".").padded(micros % 1_000, 3).value()
}

fn is_text(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/"))
}

fn build(status: StatusCode, mut headers: HeaderMap, body: Body) -> Response<Body> {
    // Growing by and by, it would sort what it has into its places several times.
    headers.reserve(OUR_HEADERS);
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// An engine's refusal as it is where SDKs can read it, else in OpenAI's shape.
fn openai_shaped(status: StatusCode, body: Bytes) -> Bytes {
    if wire::ErrorBody::is_openai(&body) {
        return body;
    }
    let message = wire::ErrorBody::message_of(&body, 1_000)
        .unwrap_or_else(|| format!("The engine refused the request with status {}.", status.as_u16()));
    wire::ErrorBody { message, kind: "invalid_request_error", param: None, code: "invalid_request" }.to_json()
}
