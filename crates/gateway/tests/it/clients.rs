//! Clients that are slow, in a hurry, or up to something: each gets an answer of its own, and nothing reaches an engine that
//! should not.

use std::time::Duration;

use engine_sim::Args;
use ledger::Outcome;
use snapshot::{CacheSettings, Snapshot};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::raw::{RawEngine, Reply, Then, before, drip, exchange, hear, request, statuses};
use crate::support::{Engine, KEY, TestGateway};

const PATH: &str = "/v1/chat/completions";
const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"good"}]}"#;
const SMUGGLED: &str = r#"{"model":"m","messages":[{"role":"user","content":"smuggled"}]}"#;
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 43\r\n\r\n{\"model\":\"up\",\"choices\":[],\"object\":\"c\"}  \n";

/// Every path that takes JSON.
const JSON_PATHS: [&str; 10] = [
    PATH,
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/score",
    "/tokenize",
    "/detokenize",
    "/v1/images/generations",
    "/v1/audio/speech",
];

async fn raw_engine() -> (RawEngine, TestGateway) {
    let engine = RawEngine::answering(Reply::new(ANSWER, Then::Keep)).await;
    let gateway = before(engine.address, 0).await;
    (engine, gateway)
}

/// A head with `headers`, whatever they say of the body, and what comes after it.
fn framed(headers: &str, rest: &str) -> Vec<u8> {
    format!("POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n{headers}\r\n{rest}")
        .into_bytes()
}

fn chunk(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n", body.len())
}

#[tokio::test]
async fn requests_of_two_readings_reach_no_engine() {
    let (length, hidden) = (CHAT.len(), String::from_utf8(request(PATH, "", SMUGGLED)).unwrap());
    let chunks = format!("{}0\r\n\r\n", chunk(CHAT));
    let both = format!("{CHAT}{hidden}");
    let cases = [
        (
            "TE with a space before the colon",
            framed(&format!("transfer-encoding : chunked\r\ncontent-length: {length}\r\n"), &both),
        ),
        ("length with a space before the colon", framed(&format!("content-length : {length}\r\n"), &both)),
        ("TE that is none", framed("transfer-encoding: xchunked\r\n", &chunks)),
        ("TE that ends otherwise", framed("transfer-encoding: chunked, identity\r\n", &chunks)),
        ("TE with a tab", framed("transfer-encoding: \x0bchunked\r\n", &chunks)),
        ("TE on a folded line", framed("transfer-encoding:\r\n chunked\r\n", &chunks)),
        ("TE and another", framed("transfer-encoding: chunked\r\ntransfer-encoding: cow\r\n", &chunks)),
        ("two lengths", framed(&format!("content-length: {length}\r\ncontent-length: {}\r\n", both.len()), &both)),
        ("two lengths in one", framed(&format!("content-length: {length}, {}\r\n", both.len()), &both)),
        ("a length with a sign", framed(&format!("content-length: +{length}\r\n"), &both)),
        ("a length below zero", framed("content-length: -1\r\n", &both)),
        ("a length with a space", framed(&format!("content-length: {length} 1\r\n"), &both)),
        ("a length in hex", framed("content-length: 0x20\r\n", &both)),
        ("a length too large", framed("content-length: 18446744073709551617\r\n", &both)),
        ("an empty length", framed("content-length: \r\n", &both)),
        (
            "a chunk too large",
            framed("transfer-encoding: chunked\r\n", &format!("fffffffffffffffff0\r\n{CHAT}\r\n0\r\n\r\n")),
        ),
        ("a chunk with a sign", framed("transfer-encoding: chunked\r\n", &format!("+{}", chunk(CHAT)))),
        ("a chunk in 0x", framed("transfer-encoding: chunked\r\n", &format!("0x{chunks}"))),
        (
            "a chunk that is longer than it says",
            framed("transfer-encoding: chunked\r\n", &format!("5\r\n{CHAT}\r\n0\r\n\r\n")),
        ),
        (
            "a chunk that ends in LF",
            framed("transfer-encoding: chunked\r\n", &format!("{:x}\n{CHAT}\n0\n\n", CHAT.len())),
        ),
        ("a NUL in a header", framed(&format!("x-h: a\0b\r\ncontent-length: {length}\r\n"), &both)),
        ("a CR in a header", framed(&format!("x-h: a\rb\r\ncontent-length: {length}\r\n"), &both)),
        ("a folded header", framed(&format!("x-h: a\r\n b\r\ncontent-length: {length}\r\n"), &both)),
        ("a header without a colon", framed(&format!("x-h\r\ncontent-length: {length}\r\n"), &both)),
        ("a header without a name", framed(&format!(": x\r\ncontent-length: {length}\r\n"), &both)),
        ("TE in HTTP/1.0", {
            let text = String::from_utf8(framed("transfer-encoding: chunked\r\n", &chunks)).unwrap();
            text.replacen("HTTP/1.1", "HTTP/1.0", 1).into_bytes()
        }),
        (
            "both framings",
            framed(
                &format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
                &format!("0\r\n\r\n{hidden}"),
            ),
        ),
        ("another protocol", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("TLS", vec![0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0, 0x0d, 0x0a]),
        ("no version", format!("POST {PATH}\r\n\r\n").into_bytes()),
        ("a version that is none", format!("POST {PATH} HTTP/1.9\r\n\r\n").into_bytes()),
        ("a long path", format!("POST /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(70_000)).into_bytes()),
        ("a long header", framed(&format!("x-h: {}\r\ncontent-length: {length}\r\n", "y".repeat(300_000)), &both)),
        ("many headers", framed(&format!("{}content-length: {length}\r\n", "x-h: y\r\n".repeat(200)), &both)),
    ];
    for (name, bytes) in cases {
        let (engine, gateway) = raw_engine().await;
        let heard = exchange(&gateway, &bytes).await;
        let seen = statuses(&heard);
        assert!(seen.iter().all(|status| [400, 408, 413, 414, 431, 505].contains(status)), "{name}: {heard}");
        assert!(seen.len() <= 1, "{name}: {heard}");
        assert_eq!(engine.seen(), Vec::<String>::new(), "{name} reached the engine");
        gateway.settled().await;
        assert!(gateway.events().await.is_empty(), "{name}");
        assert_eq!(statuses(&exchange(&gateway, &request(PATH, "", CHAT)).await), [200], "{name}: others are served");
    }
}

#[tokio::test]
async fn odd_requests_of_one_reading_reach_an_engine_once_and_as_one() {
    let length = CHAT.len();
    let chunks = format!("{}0\r\n\r\n", chunk(CHAT));
    let absolute =
        String::from_utf8(request(PATH, "", CHAT)).unwrap().replacen(PATH, &format!("http://elsewhere{PATH}"), 1);
    let cases = [
        ("as usual", request(PATH, "", CHAT)),
        (
            "chunks with extensions and trailers",
            framed(
                "transfer-encoding: chunked\r\n",
                &format!("{:x};a=b\r\n{CHAT}\r\n0\r\nauthorization: Bearer x\r\ncontent-length: 3\r\n\r\n", CHAT.len()),
            ),
        ),
        ("chunks in capitals", framed("Transfer-Encoding: CHUNKED\r\n", &chunks)),
        ("the same length twice", framed(&format!("content-length: {length}\r\ncontent-length: {length}\r\n"), CHAT)),
        ("an absolute address", absolute.into_bytes()),
        (
            "headers about the connection",
            request(
                PATH,
                "connection: close, x-secret\r\nx-secret: 1\r\nte: trailers\r\nproxy-connection: keep-alive\r\nupgrade: h2c\r\n",
                CHAT,
            ),
        ),
    ];
    let hidden = String::from_utf8(request(PATH, "", SMUGGLED)).unwrap();
    let lengths = format!("content-length: {}\r\n", chunks.len() + 4);
    let both = |headers: &str| framed(headers, &format!("{chunks}{hidden}"));
    let cases = cases.into_iter().chain([
        // Chunks count, and the connection ends: what follows is nobody's request.
        ("both framings", both(&format!("{lengths}transfer-encoding: chunked\r\n"))),
        ("both framings, the other way", both(&format!("transfer-encoding: chunked\r\n{lengths}"))),
    ]);
    for (name, bytes) in cases {
        let (engine, gateway) = raw_engine().await;
        let heard = exchange(&gateway, &bytes).await;
        assert_eq!(statuses(&heard), [200], "{name}: {heard}");
        let seen = engine.seen();
        assert_eq!(seen.len(), 1, "{name}");
        let (head, body) = seen[0].split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        assert_eq!(body, CHAT.replace("\"m\"", "\"up\""), "{name}");
        assert_eq!(head.matches("content-length").count(), 1, "{name}: {head}");
        for gone in ["transfer-encoding", "elsewhere", "x-secret", "upgrade", "proxy-connection", KEY, "trailers"] {
            assert!(!head.contains(gone), "{name}: {gone} in {head}");
        }
    }
}

#[tokio::test]
async fn requests_in_one_go_are_answered_in_their_order() {
    let (engine, gateway) = raw_engine().await;
    let bodies = ["one", "two", "three"].map(|word| CHAT.replace("good", word));
    let all: Vec<u8> = bodies.iter().flat_map(|body| request(PATH, "", body)).collect();
    let heard = exchange(&gateway, &all).await;
    assert_eq!(statuses(&heard), [200, 200, 200], "{heard}");
    let asked: Vec<_> = engine.seen().iter().map(|seen| seen.split_once("\r\n\r\n").unwrap().1.to_owned()).collect();
    assert_eq!(asked, bodies.map(|body| body.replace("\"m\"", "\"up\"")));
    gateway.settled().await;
    assert_eq!(gateway.events().await.len(), 3);
}

#[tokio::test]
async fn a_client_that_sends_byte_by_byte_is_served() {
    let (engine, gateway) = raw_engine().await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    drip(&mut client, &request(PATH, "", CHAT), Duration::from_millis(1)).await;
    assert_eq!(statuses(&hear(&mut client).await), [200]);
    assert_eq!(engine.seen().len(), 1);
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_it() {
    let engine = Engine::start(Args { model: "up".into(), fixed_bytes: Some(3 << 20), ..Args::default() }).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(&request(PATH, "connection: close\r\n", CHAT)).await.unwrap();
    let (mut piece, mut all) = (vec![0; 64 << 10], 0);
    loop {
        let read = client.read(&mut piece).await.unwrap();
        if read == 0 {
            break;
        }
        all += read;
        sleep(Duration::from_millis(5)).await;
    }
    assert!(all > 3 << 20, "{all}");
    assert_eq!(gateway.only_event().await.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let (engine, gateway) = raw_engine().await;
    let (hundred, rubbish) = (100 << 20, vec![b' '; 65_536]);
    for expect in ["", "expect: 100-continue\r\n"] {
        let mut client = TcpStream::connect(gateway.address).await.unwrap();
        client.write_all(&framed(&format!("{expect}content-length: {hundred}\r\n"), "")).await.unwrap();
        let began = Instant::now();
        let heard = hear(&mut client).await;
        assert_eq!(statuses(&heard), [413], "{expect}{heard}");
        assert!(heard.contains("request_too_large") && began.elapsed() < Duration::from_secs(5), "{heard}");
        // Whoever sends all the same is cut off long before the end.
        let mut sent = 0;
        while sent < hundred
            && timeout(Duration::from_secs(5), client.write_all(&rubbish)).await.is_ok_and(|sent| sent.is_ok())
        {
            sent += 65_536;
        }
        assert!(sent < hundred / 2, "{sent} bytes were taken");
    }
    // One that does not say how much will come.
    gateway.publish(|snapshot| snapshot.settings.max_body_bytes = 1 << 20).await;
    let chunks = chunk(&"y".repeat(600_000)).repeat(2);
    let heard = exchange(&gateway, &framed("transfer-encoding: chunked\r\n", &chunks)).await;
    assert_eq!(statuses(&heard), [413], "{heard}");
    assert!(engine.seen().is_empty() && gateway.events().await.is_empty());
    // And who asks first, for a body that fits, is told to go on.
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client
        .write_all(&framed(&format!("expect: 100-continue\r\ncontent-length: {}\r\n", CHAT.len()), ""))
        .await
        .unwrap();
    assert_eq!(statuses(&hear(&mut client).await), [100]);
    client.write_all(CHAT.as_bytes()).await.unwrap();
    assert_eq!(statuses(&hear(&mut client).await), [200]);
}

#[tokio::test]
async fn bodies_that_are_no_request_are_refused_on_every_path() {
    let (engine, gateway) = raw_engine().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000)).into_bytes();
    let cases: [(&str, Vec<u8>, &str); 14] = [
        ("empty", Vec::new(), "invalid_json"),
        ("a list", b"[{\"model\":\"m\"}]".to_vec(), "invalid_json"),
        ("a text", b"\"model\"".to_vec(), "invalid_json"),
        ("two", b"{\"model\":\"m\"}{\"model\":\"m\"}".to_vec(), "invalid_json"),
        ("half", b"{\"model\":\"m\",\"x\":[".to_vec(), "invalid_json"),
        ("deep lists", deep("[", "]"), "invalid_json"),
        ("deep objects", deep("{\"a\":", "}"), "invalid_json"),
        ("invalid UTF-8 in a value", b"{\"model\":\"m\",\"x\":\"\xff\xfe\"}".to_vec(), "invalid_json"),
        ("invalid UTF-8 in a name", b"{\"model\":\"m\",\"\xc3\":1}".to_vec(), "invalid_json"),
        ("an overlong NUL", b"{\"model\":\"m\",\"x\":\"\xc0\x80\"}".to_vec(), "invalid_json"),
        ("a control character", b"{\"model\":\"m\",\"x\":\"\x01\"}".to_vec(), "invalid_json"),
        ("model twice", b"{\"model\":\"m\",\"model\":\"m\"}".to_vec(), "duplicate_parameter"),
        ("model twice, once in disguise", b"{\"mod\\u0065l\":\"x\",\"model\":\"m\"}".to_vec(), "duplicate_parameter"),
        ("a number", b"{\"model\":1}".to_vec(), "invalid_type"),
    ];
    for path in JSON_PATHS {
        for (name, body, code) in &cases {
            let request = http::Request::post("/").header("authorization", format!("Bearer {KEY}"));
            let request = request.header("content-type", "application/json");
            let (answer, _) = gateway.send(request, path, body.clone()).await;
            assert_eq!(answer.status, 400, "{path} {name}: {}", answer.text());
            let error = answer.error();
            assert_eq!((error.0, error.3.as_str()), (400, *code), "{path} {name}: {}", answer.text());
        }
    }
    assert!(engine.seen().is_empty() && gateway.events().await.is_empty());
}

#[tokio::test]
async fn what_is_deep_in_a_field_is_refused_or_passes_as_it_is() {
    let (engine, gateway) = raw_engine().await;
    let depth = 100_000;
    let body = format!(r#"{{"model":"m","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let answer = gateway.post(PATH, &body).await;
    match answer.status.as_u16() {
        200 => assert_eq!(engine.seen()[0].split_once("\r\n\r\n").unwrap().1, body.replace("\"m\"", "\"up\"")),
        _ => assert_eq!(answer.error().3, "invalid_json"),
    }
}

#[tokio::test]
async fn who_leaves_while_another_asks_the_same_costs_nothing_and_disturbs_nobody() {
    let engine = Engine::start(Args { model: "up".into(), tokens: 4, ttft_ms: 1_500, ..Args::default() }).await;
    let gateway = TestGateway::with(&[&engine], |snapshot: &mut Snapshot| {
        snapshot.settings.cache = Some(CacheSettings {
            ttl: Duration::from_secs(600),
            max_bytes: 1 << 20,
            max_entry_bytes: 64 << 10,
            namespace: None,
            coalesce: true,
        });
    })
    .await;
    let mut leader = TcpStream::connect(gateway.address).await.unwrap();
    leader.write_all(&request(PATH, "", CHAT)).await.unwrap();
    engine.until_running(1).await;
    let mut follower = TcpStream::connect(gateway.address).await.unwrap();
    follower.write_all(&request(PATH, "", CHAT)).await.unwrap();
    sleep(Duration::from_millis(200)).await;
    drop(follower);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(gateway.events().await.len(), 1, "the follower has gone, and the leader runs on");
    assert_eq!(statuses(&hear(&mut leader).await), [200]);
    gateway.settled().await;
    let events = gateway.events().await;
    let seen: Vec<_> = events.iter().map(|event| (event.outcome, event.status, event.cost.0 > 0)).collect();
    assert_eq!(seen, [(Outcome::Disconnected, 0, false), (Outcome::Completed, 200, true)]);
}
