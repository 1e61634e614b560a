//! Engines that lie, or keep to a part of the protocol that few have heard of: the client gets the answer or a clear error,
//! the books have one event, and nobody gets what was meant for another.

use std::fmt::Write as _;
use std::time::Duration;

use ledger::{Outcome, UsageSource};
use tokio::time::sleep;

use crate::raw::{RawEngine, Reply, Then, before};

const PATH: &str = "/v1/chat/completions";
const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
const STREAM: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#;

const JSON: &str = r#"{"id":"c1","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
const EVENT: &str =
    r#"data: {"id":"c1","model":"up","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}"#;
const STOP: &str = r#"data: {"id":"c1","model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// Longer than anything may wait here.
const BOUND: Duration = Duration::from_secs(20);

fn whole(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}\r\n{body}")
}

fn plain() -> String {
    whole(&format!("content-length: {}\r\n", JSON.len()), JSON)
}

fn events(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{headers}\r\n{body}")
}

fn chunked(body: &str, end: &str) -> String {
    let chunks: Vec<&str> =
        if body.is_empty() { Vec::new() } else { vec![&body[..body.len() / 2], &body[body.len() / 2..]] };
    chunks.iter().fold(String::new(), |mut all, chunk| {
        let _ = write!(all, "{:x}\r\n{chunk}\r\n", chunk.len());
        all
    }) + end
}

/// Asks the engine once; status, code of the error if it is one, the outcome in the books, and the text.
async fn ask(name: &str, reply: Reply, body: &str) -> (u16, String, Outcome, String) {
    let engine = RawEngine::answering(reply).await;
    let gateway = before(engine.address, 0).await;
    let answer = tokio::time::timeout(BOUND, gateway.post(PATH, body)).await;
    let answer = answer.unwrap_or_else(|_| panic!("{name}: the client waits for ever"));
    let event = gateway.only_event().await;
    assert_eq!(event.status, answer.status.as_u16(), "{name}");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let code = if answer.status.is_success() { String::new() } else { answer.error().3 };
    (answer.status.as_u16(), code, event.outcome, text)
}

#[tokio::test]
async fn odd_but_good_answers_pass() {
    let trailers = chunked(JSON, "0\r\nx-trailer: t\r\nx-more: u\r\n\r\n");
    let done = format!("{EVENT}\n\n{STOP}\n\ndata: [DONE]\n\n");
    let cases = [
        ("100 first", format!("HTTP/1.1 100 Continue\r\n\r\n{}", plain()), CHAT, Then::Keep),
        (
            "100, 103 and 102 first",
            format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n{}",
                plain()
            ),
            CHAT,
            Then::Keep,
        ),
        ("trailers", whole("transfer-encoding: chunked\r\ntrailer: x-trailer\r\n", &trailers), CHAT, Then::Keep),
        (
            "extensions of chunks",
            whole("transfer-encoding: chunked\r\n", &trailers.replace("\r\n{", ";a=b\r\n{")),
            CHAT,
            Then::Keep,
        ),
        ("both framings", whole("content-length: 7\r\ntransfer-encoding: chunked\r\n", &trailers), CHAT, Then::Close),
        ("HTTP/1.0", plain().replace("HTTP/1.1", "HTTP/1.0"), CHAT, Then::Close),
        ("HTTP/1.0 without length", whole("", JSON).replace("HTTP/1.1", "HTTP/1.0"), CHAT, Then::Close),
        ("ended by the connection", whole("", JSON), CHAT, Then::Close),
        ("half closed", whole("", JSON), CHAT, Then::HalfClose),
        ("half closed with a length", plain(), CHAT, Then::HalfClose),
        ("no type", plain().replace("content-type: application/json\r\n", ""), CHAT, Then::Keep),
        (
            "a stream with trailers",
            events("transfer-encoding: chunked\r\n", &chunked(&done, "0\r\nx-trailer: t\r\n\r\n")),
            STREAM,
            Then::Keep,
        ),
        ("a stream that half closes", events("", &done), STREAM, Then::HalfClose),
        ("a stream in CRLF", events("", &done.replace('\n', "\r\n")), STREAM, Then::Close),
        ("comments and unknown fields", events("", &format!(": hi\n\nretry: 5\nx: y\n\n{done}")), STREAM, Then::Close),
        ("a stream with 1xx first", format!("HTTP/1.1 100 Continue\r\n\r\n{}", events("", &done)), STREAM, Then::Close),
    ];
    for (name, bytes, body, then) in cases {
        let (status, _, outcome, text) = ask(name, Reply::new(bytes, then), body).await;
        assert_eq!((status, outcome), (200, Outcome::Completed), "{name}: {text}");
        assert!(text.contains("hello") && !text.contains("\"up\"") && !text.contains("x-trailer"), "{name}: {text}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_bad_gateway() {
    let many = "x-h: y\r\n".repeat(300);
    let huge = format!("x-huge: {}\r\ncontent-length: {}\r\n", "y".repeat(80 << 10), JSON.len());
    let endless = format!("x-huge: {}", "y".repeat(2 << 20));
    let cases = [
        ("length too large", whole(&format!("content-length: {}\r\n", JSON.len() + 9), JSON), Then::Close),
        ("length too small", whole(&format!("content-length: {}\r\n", JSON.len() - 9), JSON), Then::Close),
        ("two lengths", whole(&format!("content-length: 5\r\ncontent-length: {}\r\n", JSON.len()), JSON), Then::Close),
        ("no length", whole("content-length: x\r\n", JSON), Then::Close),
        ("huge header", whole(&huge, JSON), Then::Keep),
        ("too many headers", whole(&many, JSON), Then::Close),
        ("header without end", format!("HTTP/1.1 200 OK\r\n{endless}"), Then::Close),
        ("bytes in a header", "HTTP/1.1 200 OK\r\nx\0y: z\r\n\r\n".to_owned(), Then::Close),
        ("chunks that are none", whole("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), Then::Close),
        ("a chunk too large", whole("transfer-encoding: chunked\r\n", "fffffffffffffffff\r\n{}"), Then::Close),
        ("chunks without end", whole("transfer-encoding: chunked\r\n", &chunked(JSON, "")), Then::Close),
        (
            "HTML",
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>".to_owned(),
            Then::Keep,
        ),
        ("nothing", whole("content-length: 0\r\n", ""), Then::Keep),
        ("no content", "HTTP/1.1 204 No Content\r\n\r\n".to_owned(), Then::Keep),
        ("another protocol", "SSH-2.0-OpenSSH_9.6\r\n".to_owned(), Then::Close),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), Then::Close),
        (
            "another protocol by upgrade",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_owned(),
            Then::Close,
        ),
        (
            "a way elsewhere",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
            Then::Keep,
        ),
        ("1xx for ever", "HTTP/1.1 100 Continue\r\n\r\n".repeat(50), Then::Close),
        ("half a status", "HTTP/1.1 2".to_owned(), Then::Close),
        ("a status that is none", "HTTP/1.1 999999 Huh\r\n\r\n".to_owned(), Then::Close),
        ("nothing at all", String::new(), Then::HalfClose),
    ];
    for (name, bytes, then) in cases {
        for body in [CHAT, STREAM] {
            let (status, code, outcome, text) = ask(name, Reply::new(bytes.clone(), then), body).await;
            assert_eq!(
                (status, code.as_str(), outcome),
                (502, "upstream_error", Outcome::Failed),
                "{name}: {text:.200}"
            );
        }
    }
}

#[tokio::test]
async fn streams_that_are_none_end_in_an_error() {
    let binary: String =
        (0..2_000).map(|n| char::from(u8::try_from(n % 128).unwrap())).filter(|c| *c != '\n').collect();
    let gigantic = format!("data: {}", "y".repeat(6 << 20));
    let cases = [
        ("no empty line", events("", &format!("{EVENT}\n{EVENT}\n"))),
        ("binary", events("", &binary)),
        ("a line without end", events("", &gigantic)),
        (
            "chunks that are none",
            events("transfer-encoding: chunked\r\n", &format!("{:x}\r\n{EVENT}\n\n\r\nzz\r\n", EVENT.len() + 2)),
        ),
        ("length too large", events("content-length: 9000\r\n", &format!("{EVENT}\n\n"))),
        ("nothing", events("content-length: 0\r\n", "")),
    ];
    for (name, bytes) in cases {
        let (status, code, outcome, text) = ask(name, Reply::new(bytes, Then::Close), STREAM).await;
        assert_eq!(outcome, Outcome::Failed, "{name}");
        let said = if status == 200 { text.contains("\"code\":\"upstream_error\"") } else { code == "upstream_error" };
        assert!(said && !text.contains("[DONE]"), "{name} {status}: {:.300}", &text[text.len().saturating_sub(300)..]);
    }
}

#[tokio::test]
async fn what_follows_an_answer_is_not_the_answer_to_the_next() {
    let poison = plain().replace("hello", "poison");
    let engine = RawEngine::start(move |n| {
        let first = format!("{}{poison}", plain());
        Some(Reply::new(if n == 0 { first } else { plain() }, Then::Keep))
    })
    .await;
    let gateway = before(engine.address, 0).await;
    for _ in 0..6 {
        let answer = gateway.post(PATH, CHAT).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.text().contains("poison"), "{}", answer.text());
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_read_passes() {
    let long = CHAT.replace("\"x\"", &format!("\"{}\"", "x".repeat(4 << 20)));
    let refusal = r#"{"error":{"message":"too long","type":"BadRequestError","param":null,"code":400}}"#;
    let refused = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{refusal}",
        refusal.len()
    );
    for (bytes, status, outcome) in [(plain(), 200, Outcome::Completed), (refused, 400, Outcome::Failed)] {
        // The engine goes on reading, as servers do that want their answer to arrive.
        let reply = Reply { reads_all: false, ..Reply::new(bytes, Then::HalfClose) };
        let (seen, _, booked, text) = ask("early", reply, &long).await;
        assert_eq!((seen, booked), (status, outcome), "{text:.200}");
    }
    // And one that just closes: an answer or a clear error, and one event, which `ask` has looked for.
    let reply = Reply { reads_all: false, ..Reply::new(plain(), Then::Close) };
    let (status, ..) = ask("early and gone", reply, &long).await;
    assert!([200, 502].contains(&status), "{status}");
}

#[tokio::test]
async fn an_engine_that_closes_an_idle_connection_just_then_is_asked_again_unnoticed() {
    // Every second request meets a connection that the engine is closing.
    let engine = RawEngine::start(|n| (n % 2 == 0).then(|| Reply::new(plain(), Then::Keep))).await;
    let gateway = before(engine.address, 0).await;
    for _ in 0..6 {
        let answer = gateway.post(PATH, CHAT).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        sleep(Duration::from_millis(5)).await;
    }
    gateway.settled().await;
    let events = gateway.events().await;
    assert_eq!(events.len(), 6);
    assert!(events.iter().all(|event| event.outcome == Outcome::Completed && event.attempts.len() == 1), "{events:?}");
}

#[tokio::test]
async fn an_answer_without_usage_is_estimated_and_its_body_untouched() {
    let without = JSON.replace(r#","usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}"#, "");
    let reply = Reply::new(whole(&format!("content-length: {}\r\n", without.len()), &without), Then::Keep);
    let engine = RawEngine::answering(reply).await;
    let gateway = before(engine.address, 0).await;
    let answer = gateway.post(PATH, CHAT).await;
    assert_eq!(answer.text(), without.replace("\"up\"", "\"m\""));
    let event = gateway.only_event().await;
    assert_eq!((event.usage_source, event.usage.completion_tokens > 0), (UsageSource::Estimate, true));
}
