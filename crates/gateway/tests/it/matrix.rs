//! The matrix: every API, streamed or not, for every kind of caller, under every fault. For each cell: what the client
//! sees, what the books hold, and that nothing leaks.

use std::time::Duration;

use engine_sim::{Args, EngineType};
use http::Request;
use ledger::{Event, Outcome, Price};
use snapshot::{KeyKind, Limits, ModelType, Snapshot};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::forms::{audio, field, form, part};
use crate::support::{Answer, Engine, FORM, KEY, MASTER, PRICE, TestGateway, deployment, key};

const DIRECT: &str = "sk-direct-0123456789";

/// Each unit at a price that shows.
const UNITS: Price = Price { image: 7_000_000, character: 11_000, search: 13_000, audio_second: 17_000, ..PRICE };

/// Invariant: 100 ms until the engine's connection is closed. One slow round says nothing on a busy machine.
const GONE: Duration = Duration::from_millis(100);
const GONE_ROUNDS: usize = 5;

/// Time-outs where engines stall, and where a client leaves one that does.
const SHORT: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(60);

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    /// In one piece that is JSON.
    Whole,
    /// As server-sent events.
    Events,
    /// As bytes that mean nothing to us.
    Bytes,
}

/// One way to ask for one API.
#[derive(Clone, Debug)]
struct Shape {
    engine: EngineType,
    model: ModelType,
    method: &'static str,
    path: &'static str,
    body: Vec<u8>,
    comes: Comes,
    is_billed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Nobody listens where the first replica should be; the second is well.
    Refused,
    Status(u16),
    Cut,
    Stall,
}

/// Who asks: the prefix of the path, the key, and its name in the books.
const CALLERS: [(&str, Option<&str>, &str); 4] = [
    ("/v1", Some(MASTER), "master"),
    ("/v1", Some(KEY), "k1"),
    ("/models/m/v1", Some(DIRECT), "k2"),
    ("/open/m/v1", None, "open"),
];

/// What a cell must come to: the status and code that the client sees, the outcome, and whether it costs anything.
struct Expected {
    status: u16,
    code: &'static str,
    outcome: Outcome,
    costs: bool,
}

fn json(kind: (EngineType, ModelType), path: &'static str, rest: &str, comes: Comes) -> Shape {
    let body = format!(r#"{{"model":"m",{rest}}}"#).into_bytes();
    Shape { engine: kind.0, model: kind.1, method: "POST", path, body, comes, is_billed: !path.contains("tokenize") }
}

fn multipart(kind: (EngineType, ModelType), path: &'static str, parts: &[Vec<u8>], comes: Comes) -> Shape {
    let body = form(&[&[field("model", "m")], parts].concat());
    Shape { body, ..json(kind, path, "", comes) }
}

/// Every API, and every way in which its answers come.
fn shapes() -> Vec<Shape> {
    use Comes::{Bytes, Events, Whole};
    let chat = (EngineType::Chat, ModelType::Chat);
    let embedding = (EngineType::Embedding, ModelType::Embedding);
    let rerank = (EngineType::Rerank, ModelType::Rerank);
    let images = (EngineType::ImageGeneration, ModelType::ImageGeneration);
    let voice = (EngineType::TextToSpeech, ModelType::TextToSpeech);
    let ears = (EngineType::SpeechToText, ModelType::SpeechToText);
    let messages = r#""messages":[{"role":"user","content":"x"}]"#;
    let image = || part("name=\"image\"; filename=\"a.png\"", &[0xff; 90]);
    vec![
        json(chat, "/chat/completions", messages, Whole),
        json(chat, "/chat/completions", &format!(r#""stream":true,{messages}"#), Events),
        json(chat, "/completions", r#""prompt":"x""#, Whole),
        json(chat, "/completions", r#""prompt":"x","stream":true"#, Events),
        json(chat, "/responses", r#""input":"x""#, Whole),
        json(chat, "/responses", r#""input":"x","stream":true"#, Events),
        json(embedding, "/embeddings", r#""input":"x""#, Whole),
        json(rerank, "/rerank", r#""query":"a","documents":["a","b"]"#, Whole),
        json(rerank, "/score", r#""text_1":"a","text_2":"b""#, Whole),
        json(chat, "/tokenize", r#""prompt":"x""#, Whole),
        json(chat, "/detokenize", r#""tokens":[1,2]"#, Whole),
        json(images, "/images/generations", r#""prompt":"a hen","size":"8x8""#, Whole),
        multipart(images, "/images/edits", &[image(), field("prompt", "hen"), field("size", "8x8")], Whole),
        multipart(images, "/images/variations", &[image(), field("size", "8x8")], Whole),
        json(voice, "/audio/speech", r#""input":"Hello there","response_format":"wav""#, Bytes),
        json(voice, "/audio/speech", r#""input":"Hello there, you","response_format":"pcm","stream":true"#, Bytes),
        json(voice, "/audio/speech", r#""input":"Hello there, you","stream_format":"sse""#, Events),
        multipart(ears, "/audio/transcriptions", &[audio(9_000)], Whole),
        multipart(ears, "/audio/transcriptions", &[audio(9_000), field("stream", "true")], Events),
        multipart(ears, "/audio/translations", &[audio(9_000)], Whole),
        multipart(ears, "/audio/translations", &[audio(9_000), field("stream", "true")], Events),
        // What an engine keeps was billed when it was made.
        Shape { method: "GET", body: Vec::new(), is_billed: false, ..json(chat, "/responses/{id}", "", Whole) },
    ]
}

// === impl Shape ===

impl Shape {
    async fn engine(&self, fault: Option<&str>) -> Engine {
        let fault = fault.map(|fault| fault.parse().unwrap());
        let engine_type = self.engine;
        Engine::start(Args { model: "up".into(), engine_type, fault, tokens: 5, ..Args::default() }).await
    }

    /// In front of `engine`, with `nobody` beside it if there shall be one that cannot be reached. One request may run at
    /// a time: whatever leaks makes the next cell a 429.
    async fn gateway(&self, engine: &Engine, nobody: Option<std::net::SocketAddr>, patience: Duration) -> TestGateway {
        TestGateway::with(&[engine], |snapshot: &mut Snapshot| {
            snapshot.limits = Limits { max_parallel: Some(1), ..Limits::default() };
            snapshot.settings.retries = u32::from(nobody.is_some());
            snapshot.settings.allowed_fails = 1_000;
            snapshot.open_routes = true;
            snapshot.keys.push(snapshot::Key { kind: KeyKind::Direct, ..key("k2", DIRECT) });
            let model = &mut snapshot.models[0];
            (model.model_type, model.price, model.open_access) = (self.model, UNITS, true);
            model.deployments.extend(nobody.map(|address| deployment("nobody", address)));
            for deployment in &mut model.deployments {
                let timeouts = &mut deployment.timeouts;
                (timeouts.first_byte, timeouts.between_bytes, timeouts.total) = (patience, patience, patience);
            }
        })
        .await
    }

    fn content_type(&self) -> &'static str {
        if self.body.starts_with(b"--") { FORM } else { "application/json" }
    }

    /// The path below a caller's prefix; one that names a response names the one that `engine` has just made.
    async fn path(&self, prefix: &str, engine: &Engine) -> String {
        if !self.path.contains("{id}") {
            return format!("{prefix}{}", self.path);
        }
        let made = engine.post("/v1/responses", r#"{"model":"up","input":"x"}"#).await;
        format!("{prefix}/responses/{}", made.json()["id"].as_str().unwrap())
    }

    fn expected(&self, fault: Fault) -> Expected {
        let failed = |status, code, costs| Expected { status, code, outcome: Outcome::Failed, costs };
        match fault {
            Fault::None | Fault::Refused => {
                Expected { status: 200, code: "", outcome: Outcome::Completed, costs: self.is_billed }
            }
            Fault::Status(429) => failed(429, "rate_limit_exceeded", false),
            // In the engine's words, whose codes are numbers.
            Fault::Status(400) => failed(400, "-", false),
            Fault::Status(_) => failed(502, "upstream_error", false),
            Fault::Cut if self.comes == Comes::Whole => failed(502, "upstream_error", false),
            // What was relayed is billed.
            Fault::Cut => failed(200, "upstream_error", true),
            Fault::Stall => failed(504, "upstream_timeout", false),
        }
    }

    /// What the client sees is as expected, to the shape of the error.
    fn check_answer(&self, answer: &Answer, is_whole: bool, expected: &Expected) {
        assert_eq!(answer.status.as_u16(), expected.status, "{}", String::from_utf8_lossy(&answer.body));
        assert!(answer.headers.contains_key("x-request-id"));
        let is_broken = expected.outcome == Outcome::Failed && expected.status == 200;
        match self.comes {
            _ if !is_broken && expected.outcome == Outcome::Failed => assert_eq!(answer.error().3, expected.code),
            Comes::Events if is_broken => {
                let last = answer.text().trim_end().rsplit("\n\n").next().unwrap();
                let data = last.rsplit("data: ").next().unwrap();
                let error: serde_json::Value = serde_json::from_str(data).unwrap();
                assert_eq!(error["error"]["code"], expected.code, "{last}");
            }
            Comes::Bytes if is_broken => assert!(!is_whole && !answer.body.is_empty(), "broken where it breaks"),
            _ => assert!(is_whole && !answer.body.is_empty() && !answer.body.windows(8).any(|at| at == b"\"error\":")),
        }
        assert!(is_whole || is_broken);
    }
}

/// Exactly one event more, of this caller; and nothing is held any more.
async fn next_event(gateway: &TestGateway, before: usize, caller: &str) -> Event {
    gateway.settled().await;
    let mut events = gateway.events().await;
    assert_eq!(events.len(), before + 1, "{events:?}");
    let event = events.swap_remove(before);
    assert_eq!((&*event.open.key, &*event.open.model), (caller, "m"));
    event
}

async fn assert_nothing_leaks(gateway: &TestGateway) {
    let page = gateway.get(MASTER, "/metrics").await;
    let held = |name: &str| {
        let mut lines = page.text().lines().filter(|line| line.starts_with(name));
        lines.next().and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    assert_eq!(held("enginehouse_requests_in_flight{").as_deref(), Some("0"));
    assert_eq!(held("enginehouse_buffered_bytes").as_deref(), Some("0"), "{}", page.text());
}

/// A socket at whose address nobody listens, and nobody else can while it is there.
fn nobody() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket
}

/// All shapes and callers under one fault. Shapes run side by side, for most of them wait most of the time.
async fn under(fault: Fault) {
    let mut cells = JoinSet::new();
    for shape in shapes() {
        cells.spawn(async move {
            let of_engine = match fault {
                Fault::None | Fault::Refused => None,
                Fault::Status(status) => Some(format!("status:{status}")),
                Fault::Cut => Some("cut:2".to_owned()),
                Fault::Stall => Some("stall".to_owned()),
            };
            tokio::time::timeout(LONG, row(&shape, fault, of_engine.as_deref())).await.unwrap();
        });
    }
    while let Some(cell) = cells.join_next().await {
        cell.unwrap();
    }
}

/// One shape under one fault, for all callers.
async fn row(shape: &Shape, fault: Fault, of_engine: Option<&str>) {
    let keeps = shape.path.contains("{id}");
    if keeps && fault == Fault::Refused {
        return; // Only the replica that made a response has it: none can take over.
    }
    let engine = shape.engine(None).await;
    let nobody = if fault == Fault::Refused { Some(nobody()) } else { None };
    let spare = nobody.as_ref().map(|socket| socket.local_addr().unwrap());
    let patience = if fault == Fault::Stall { SHORT } else { LONG };
    let gateway = shape.gateway(&engine, spare, patience).await;
    let (mut events, mut repeated) = (0, 0);
    // Which of two idle replicas comes first is chance: often enough it is the one that is not there.
    let rounds = if spare.is_some() { 4 } else { 1 };
    for (prefix, key, caller) in CALLERS.into_iter().cycle().take(rounds * CALLERS.len()) {
        let path = shape.path(prefix, &engine).await;
        let mut request = Request::builder().method(shape.method).header("content-type", shape.content_type());
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if let Some(of_engine) = of_engine {
            engine.fail(of_engine).await;
        }
        let (answer, is_whole) = gateway.send(request, &path, shape.body.clone()).await;
        engine.heal().await;
        let expected = shape.expected(fault);
        shape.check_answer(&answer, is_whole, &expected);
        let event = next_event(&gateway, events, caller).await;
        assert_eq!((event.outcome, event.status), (expected.outcome, expected.status), "{shape:?} {event:?}");
        assert_eq!(event.cost.0 > 0, expected.costs, "{shape:?} {event:?}");
        assert_eq!(&*event.open.surface, shape.path.trim_start_matches('/').trim_end_matches("/{id}"));
        events += 1;
        repeated += event.attempts.len() - 1;
    }
    assert_eq!(repeated > 0, spare.is_some(), "{shape:?}: {repeated} repeated");
    engine.until_running(0).await;
    assert_nothing_leaks(&gateway).await;
}

#[tokio::test]
async fn without_a_fault() {
    under(Fault::None).await;
}

#[tokio::test]
async fn where_one_of_two_replicas_refuses_connections() {
    under(Fault::Refused).await;
}

#[tokio::test]
async fn where_the_engine_fails() {
    under(Fault::Status(500)).await;
}

#[tokio::test]
async fn where_the_engine_has_too_much_to_do() {
    under(Fault::Status(429)).await;
}

#[tokio::test]
async fn where_the_engine_refuses_the_request() {
    under(Fault::Status(400)).await;
}

#[tokio::test]
async fn where_the_engine_breaks_off() {
    under(Fault::Cut).await;
}

#[tokio::test]
async fn where_the_engine_stalls() {
    under(Fault::Stall).await;
}

#[tokio::test]
async fn where_the_client_leaves() {
    for shape in shapes() {
        let faults: &[&str] = if shape.comes == Comes::Whole { &["stall:0"] } else { &["stall:0", "stall:1"] };
        for fault in faults {
            leave(&shape, fault).await;
        }
    }
}

/// Every caller asks an engine that stalls, and leaves; after the first bytes where it sends some.
async fn leave(shape: &Shape, fault: &str) {
    let engine = shape.engine(None).await;
    let gateway = shape.gateway(&engine, None, LONG).await;
    let mut events = 0;
    for (prefix, key, caller) in CALLERS {
        let mut took = Vec::new();
        while took.last().is_none_or(|last| *last > GONE) {
            assert!(took.len() < GONE_ROUNDS, "{shape:?} {fault} {caller}: never within {GONE:?}: {took:?}");
            let path = shape.path(prefix, &engine).await;
            engine.fail(fault).await;
            let mut client = ask(&gateway, shape, &path, key).await;
            engine.until_running(1).await;
            if fault != "stall:0" {
                assert!(client.read(&mut [0; 64]).await.unwrap() > 0);
            }
            drop(client);
            took.push(engine.until_running(0).await);
            engine.heal().await;
            let event = next_event(&gateway, events, caller).await;
            let began = fault != "stall:0";
            let seen = (event.outcome, event.status, event.cost.0 > 0);
            assert_eq!(seen, (Outcome::Disconnected, if began { 200 } else { 0 }, began), "{shape:?} {event:?}");
            events += 1;
        }
    }
    assert_nothing_leaks(&gateway).await;
}

/// A client that has sent its request.
async fn ask(gateway: &TestGateway, shape: &Shape, path: &str, key: Option<&str>) -> TcpStream {
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let key = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let (kind, length) = (shape.content_type(), shape.body.len());
    let head = format!("{} {path} HTTP/1.1\r\nhost: x\r\n{key}content-type: {kind}\r\n", shape.method);
    let head = format!("{head}content-length: {length}\r\n\r\n");
    client.write_all(&[head.as_bytes(), &shape.body].concat()).await.unwrap();
    client
}
