//! Multipart forms: streamed, read while they pass, and refused where they are not what they say.

use std::time::Duration;

use engine_sim::{Args, EngineType};
use ledger::{Outcome, UsageSource};
use snapshot::{ModelType, Snapshot};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Answer, Engine, FORM, KEY, TestGateway, deployment, within};

/// Invariant: 100 ms. The engine is asked over HTTP, which itself takes some of them on a loaded machine.
const BOUND: Duration = Duration::from_millis(100);

/// Longer than what is held to be repeated.
const LONG: usize = 600_000;

const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";

async fn engine(engine_type: EngineType) -> Engine {
    Engine::start(Args { model: "up".into(), engine_type, tokens: 5, ..Args::default() }).await
}

async fn gateway(engines: &[&Engine], model_type: ModelType) -> TestGateway {
    TestGateway::with(engines, |snapshot| snapshot.models[0].model_type = model_type).await
}

async fn ears(engine: &Engine) -> TestGateway {
    gateway(&[engine], ModelType::SpeechToText).await
}

pub(crate) fn part(disposition: &str, value: &[u8]) -> Vec<u8> {
    let head = format!("--b1\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
    [head.as_bytes(), value, b"\r\n"].concat()
}

pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    part(&format!("name=\"{name}\""), value.as_bytes())
}

/// Bytes that look like anything, also like the start of a boundary.
pub(crate) fn audio(length: usize) -> Vec<u8> {
    let noise = b"RIFF\r\n--b\xff\x00\r\n-".iter().cycle();
    part("name=\"file\"; filename=\"a \\\"b\\\".wav\"", &noise.take(length).copied().collect::<Vec<_>>())
}

pub(crate) fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat().as_slice(), b"--b1--\r\n"].concat()
}

fn head(path: &str, length: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: {FORM}\r\n{length}\r\n\r\n"
    )
}

/// A form of which `sent` bytes are sent.
async fn begin(gateway: &TestGateway, body: &[u8], sent: usize) -> TcpStream {
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(head(TRANSCRIPTIONS, &format!("content-length: {}", body.len())).as_bytes()).await.unwrap();
    client.write_all(&body[..sent]).await.unwrap();
    client
}

async fn answer(client: &mut TcpStream) -> String {
    let (mut text, mut buffer) = (Vec::new(), [0; 4_096]);
    while !text.ends_with(b"}") {
        let read = client.read(&mut buffer).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(text).unwrap()
}

/// Everything but ids and times.
fn comparable(answer: &Answer) -> String {
    let is_id = |part: &&str| !part.contains("\"id\":") && !part.contains("\"created\":");
    let text = answer.text().replace("\"model\":\"up\"", "\"model\":\"m\"");
    text.split_inclusive([',', '{']).filter(is_id).collect()
}

#[tokio::test]
async fn every_form_api_answers_as_the_engine_does_wherever_the_model_stands() {
    let heard = |format: &str| vec![audio(40_000), field("response_format", format)];
    let cases = [
        (EngineType::SpeechToText, ModelType::SpeechToText, "/audio/transcriptions", heard("json")),
        (EngineType::SpeechToText, ModelType::SpeechToText, "/audio/transcriptions", heard("verbose_json")),
        (EngineType::SpeechToText, ModelType::SpeechToText, "/audio/translations", heard("text")),
        (
            EngineType::SpeechToText,
            ModelType::SpeechToText,
            "/audio/transcriptions",
            vec![field("stream", "true"), audio(9), field("stream_include_usage", "true")],
        ),
        (
            EngineType::ImageGeneration,
            ModelType::ImageGeneration,
            "/images/edits",
            vec![
                part("name=\"image[]\"; filename=\"a.png\"", &[0xff; 900]),
                field("prompt", "hen"),
                field("size", "8x8"),
            ],
        ),
    ];
    for (engine_type, model_type, path, parts) in cases {
        let engine = engine(engine_type).await;
        let gateway = gateway(&[&engine], model_type).await;
        let direct = engine.post_form(&format!("/v1{path}"), form(&parts)).await;
        assert_eq!(direct.status.as_u16(), 200, "{}", direct.text());
        let first = [vec![field("model", "m")], parts.clone()].concat();
        let last = [parts, vec![field("model", "m")]].concat();
        for (path, parts) in [(path.to_owned(), first), (format!("/v1{path}"), last)] {
            let through = gateway.post_form(&path, form(&parts)).await;
            assert_eq!(comparable(&through), comparable(&direct), "{path}");
            assert_eq!(through.headers["content-type"], direct.headers["content-type"]);
        }
    }
}

#[tokio::test]
async fn a_form_passes_while_it_is_still_being_sent() {
    let engine = engine(EngineType::SpeechToText).await;
    // Much less than the form may be held.
    let little = |snapshot: &mut Snapshot| {
        snapshot.models[0].model_type = ModelType::SpeechToText;
        snapshot.settings.max_buffered_bytes = 300_000;
    };
    let gateway = TestGateway::with(&[&engine], little).await;
    let parts = [field("model", "m"), audio(4 * LONG)];
    let body = form(&parts);
    let mut client = begin(&gateway, &body, LONG).await;
    engine.until_running(1).await;
    client.write_all(&body[LONG..]).await.unwrap();
    let text = answer(&mut client).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let direct = engine.post_form(TRANSCRIPTIONS, form(&parts[1..])).await;
    assert!(text.ends_with(direct.text()), "the file arrived as it was sent: {text}");

    let held = gateway.post_form(TRANSCRIPTIONS, form(&[audio(4 * LONG), field("model", "m")])).await;
    assert_eq!(held.error().3, "overloaded", "what is held until the model is known counts");
}

#[tokio::test]
async fn a_form_without_a_length_passes_too() {
    let engine = engine(EngineType::SpeechToText).await;
    let gateway = ears(&engine).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(head(TRANSCRIPTIONS, "transfer-encoding: chunked").as_bytes()).await.unwrap();
    for chunk in form(&[audio(LONG), field("model", "m"), audio(LONG)]).chunks(70_000) {
        client.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await.unwrap();
        client.write_all(&[chunk, b"\r\n"].concat()).await.unwrap();
    }
    client.write_all(b"0\r\n\r\n").await.unwrap();
    let text = answer(&mut client).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn the_path_names_the_model_of_a_form_too() {
    let engine = engine(EngineType::SpeechToText).await;
    let open = |snapshot: &mut Snapshot| {
        snapshot.models[0].model_type = ModelType::SpeechToText;
        snapshot.models[0].open_access = true;
        snapshot.open_routes = true;
    };
    let gateway = TestGateway::with(&[&engine], open).await;
    for parts in [vec![audio(LONG)], vec![audio(9)], vec![audio(9), field("model", "another")]] {
        let answer = gateway.post_form("/open/m/v1/audio/transcriptions", form(&parts)).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn what_is_no_form_reaches_no_engine() {
    let engine = engine(EngineType::SpeechToText).await;
    let gateway = ears(&engine).await;
    let good = form(&[field("model", "m"), audio(9)]);
    let cases = [
        (b"{\"model\":\"m\"}".to_vec(), "-", "invalid_multipart"),
        (good[..good.len() - 8].to_vec(), "-", "invalid_multipart"),
        (form(&[field("model", "m"), field("model", "other"), audio(9)]), "model", "duplicate_parameter"),
        (
            form(&[field("stream", "true"), field("stream", "false"), field("model", "m")]),
            "stream",
            "duplicate_parameter",
        ),
        (form(&[part("name=\"model\"; filename=\"x\"", b"m"), audio(9)]), "model", "invalid_type"),
        (form(&[audio(9)]), "model", "missing_required_parameter"),
        (form(&[field("model", "other"), audio(9)]), "model", "model_not_found"),
    ];
    for (body, param, code) in cases {
        let error = gateway.post_form(TRANSCRIPTIONS, body).await.error();
        assert_eq!((error.2.as_str(), error.3.as_str()), (param, code));
    }
    let no_boundary = gateway.post(TRANSCRIPTIONS, r#"{"model":"m"}"#).await;
    assert_eq!(no_boundary.error().3, "invalid_multipart");
    assert_eq!(engine.state().await["total"], 0);
    assert!(gateway.events().await.is_empty());
}

#[tokio::test]
async fn a_form_of_two_types_reaches_no_engine() {
    let engine = engine(EngineType::SpeechToText).await;
    let gateway = ears(&engine).await;
    let body = form(&[field("model", "m"), audio(9)]);
    let length = format!("content-type: multipart/form-data; boundary=other\r\ncontent-length: {}", body.len());
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(head(TRANSCRIPTIONS, &length).as_bytes()).await.unwrap();
    client.write_all(&body).await.unwrap();
    let answer = answer(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("invalid_multipart"), "{answer}");
    assert_eq!(engine.state().await["total"], 0);
}

#[tokio::test]
async fn a_form_that_turns_out_to_be_broken_is_taken_back_from_the_engine() {
    let second_model = form(&[field("model", "m"), audio(LONG), field("model", "other")]);
    let endless = [field("model", "m"), audio(LONG)].concat();
    let after_end = [form(&[field("model", "m"), audio(LONG)]), field("model", "other")].concat();
    for (body, code) in
        [(second_model, "duplicate_parameter"), (endless, "invalid_multipart"), (after_end, "invalid_multipart")]
    {
        let engine = engine(EngineType::SpeechToText).await;
        let gateway = ears(&engine).await;
        let refused = gateway.post_form(TRANSCRIPTIONS, body).await;
        assert_eq!((refused.status.as_u16(), refused.error().3.as_str()), (400, code));
        engine.until_running(0).await;
        let event = gateway.only_event().await;
        assert_eq!((event.outcome, event.status, event.cost.0), (Outcome::Failed, 400, 0));
        assert_eq!(event.attempts.len(), 1, "{event:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_it_sends_closes_the_engine_s_connection() {
    within(BOUND, leave_while_sending).await;
}

async fn leave_while_sending() -> Duration {
    let engine = engine(EngineType::SpeechToText).await;
    let gateway = ears(&engine).await;
    let client = begin(&gateway, &form(&[field("model", "m"), audio(4 * LONG)]), LONG).await;
    engine.until_running(1).await;
    drop(client);
    let took = engine.until_running(0).await;
    let event = gateway.only_event().await;
    assert_eq!((event.outcome, event.cost.0), (Outcome::Disconnected, 0));
    took
}

#[tokio::test]
async fn what_an_engine_has_taken_is_not_sent_to_another() {
    let failing = |fault: &'static str| async move {
        let fault = Some(fault.parse().unwrap());
        Engine::start(Args { model: "up".into(), engine_type: EngineType::SpeechToText, fault, ..Args::default() })
            .await
    };
    let broken = failing("error-event").await;
    let good = engine(EngineType::SpeechToText).await;
    let change = |snapshot: &mut Snapshot| {
        snapshot.models[0].model_type = ModelType::SpeechToText;
        // Ties go to chance; this one is tried first for being alone until the second is published.
        snapshot.settings.retries = 2;
    };
    let gateway = TestGateway::with(&[&broken], change).await;
    let long = gateway.post_form(TRANSCRIPTIONS, form(&[field("model", "m"), audio(LONG)])).await;
    assert_eq!((long.status.as_u16(), gateway.only_event().await.attempts.len()), (502, 1));

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    let alone = |snapshot: &mut Snapshot| {
        change(snapshot);
        snapshot.models[0].deployments = vec![deployment("nobody", nobody), deployment("good", good.address)];
    };
    for length in [LONG, 9] {
        let gateway = TestGateway::with(&[], alone).await;
        for _ in 0..4 {
            let body = form(&[field("model", "m"), audio(length)]);
            let answer = gateway.post_form(TRANSCRIPTIONS, body).await;
            assert_eq!(answer.status.as_u16(), 200, "nothing was sent where nobody listens: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_short_form_is_repeated() {
    let fault = Some("status:503".parse().unwrap());
    let args = Args { model: "up".into(), engine_type: EngineType::SpeechToText, fault, ..Args::default() };
    let (broken, good) = (Engine::start(args).await, engine(EngineType::SpeechToText).await);
    let gateway = gateway(&[&broken, &good], ModelType::SpeechToText).await;
    for _ in 0..4 {
        let answer = gateway.post_form(TRANSCRIPTIONS, form(&[field("model", "m"), audio(100_000)])).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn audio_is_billed_by_the_second() {
    let engine = engine(EngineType::SpeechToText).await;
    let seconds = |snapshot: &mut Snapshot| {
        snapshot.models[0].model_type = ModelType::SpeechToText;
        snapshot.models[0].price = ledger::Price { version: 1, audio_second: 1_000, ..ledger::Price::default() };
    };
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0".to_vec();
    wav.extend_from_slice(&96_000_u32.to_le_bytes());
    wav.extend_from_slice(&2_u16.to_le_bytes());
    wav.resize(3 * 96_000, 0);
    let file = part("name=\"file\"; filename=\"a.wav\"", &wav);
    for (format, source) in
        [("json", UsageSource::Engine), ("text", UsageSource::Estimate), ("verbose_json", UsageSource::Estimate)]
    {
        let gateway = TestGateway::with(&[&engine], seconds).await;
        let parts = [field("model", "m"), field("response_format", format), file.clone()];
        gateway.post_form(TRANSCRIPTIONS, form(&parts)).await;
        let event = gateway.only_event().await;
        let seen = (event.usage.audio_millis, event.cost.0, event.usage_source);
        assert_eq!(seen, (3_000, 3_000, source), "{format}");
    }
}
