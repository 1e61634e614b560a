//! Every API beside completions: the engine's bytes but for the name, and what each is billed by.

use engine_sim::{Args, EngineType};
use ledger::{Outcome, Price, UsageSource};
use serde_json::Value;
use snapshot::{ModelType, Snapshot};

use crate::support::{Engine, PRICE, TestGateway};

/// Each unit at a price that shows.
const UNITS: Price = Price { image: 7_000_000, character: 11_000, search: 13_000, audio_second: 17_000, ..PRICE };

const RESPONSE: &str = r#"{"model":"m","input":"Grüße 😀","x_unknown":[1.50,null]}"#;

async fn engine(engine_type: EngineType, fault: Option<&str>) -> Engine {
    let fault = fault.map(|fault| fault.parse().unwrap());
    Engine::start(Args { model: "up".into(), engine_type, fault, tokens: 5, ..Args::default() }).await
}

async fn gateway(engine: &Engine, model_type: ModelType) -> TestGateway {
    let change = |snapshot: &mut Snapshot| {
        snapshot.models[0].model_type = model_type;
        snapshot.models[0].price = UNITS;
    };
    TestGateway::with(&[engine], change).await
}

/// Everything but ids and times, which differ between two calls of the same engine too.
fn comparable(text: &str) -> String {
    let mut text = text.replace("\"model\":\"up\"", "\"model\":\"m\"");
    for (name, end) in [("\"id\":\"", '"'), ("_id\":\"", '"'), ("\"created_at\":", ','), ("\"created\":", ',')] {
        let mut at = 0;
        while let Some(start) = text[at..].find(name).map(|found| at + found + name.len()) {
            let length = text[start..].find(end).unwrap();
            text.replace_range(start..start + length, "");
            at = start;
        }
    }
    text
}

fn upstream(body: &str) -> String {
    body.replace("\"model\":\"m\"", "\"model\":\"up\"")
}

#[tokio::test]
async fn every_json_api_answers_as_the_engine_does() {
    let cases = [
        (EngineType::Chat, ModelType::Chat, "/responses", "/v1/responses", RESPONSE),
        (EngineType::Vision, ModelType::Vision, "/responses", "/v1/responses", RESPONSE),
        (EngineType::Chat, ModelType::Chat, "/tokenize", "/tokenize", r#"{"model":"m","prompt":"a b"}"#),
        (EngineType::Chat, ModelType::Chat, "/detokenize", "/detokenize", r#"{"model":"m","tokens":[1,2]}"#),
        (EngineType::Embedding, ModelType::Embedding, "/tokenize", "/tokenize", r#"{"model":"m","prompt":"a"}"#),
        (
            EngineType::Rerank,
            ModelType::Rerank,
            "/rerank",
            "/rerank",
            r#"{"model":"m","query":"a","documents":["a","b"]}"#,
        ),
        (
            EngineType::Rerank,
            ModelType::Rerank,
            "/v2/rerank",
            "/v2/rerank",
            r#"{"model":"m","query":"a","documents":["b"]}"#,
        ),
        (EngineType::Rerank, ModelType::Rerank, "/score", "/score", r#"{"model":"m","text_1":"a","text_2":["a","b"]}"#),
        (EngineType::Embedding, ModelType::Embedding, "/score", "/score", r#"{"model":"m","text_1":"a","text_2":"b"}"#),
        (
            EngineType::ImageGeneration,
            ModelType::ImageGeneration,
            "/images/generations",
            "/v1/images/generations",
            r#"{"model":"m","prompt":"a hen","n":2,"size":"8x8"}"#,
        ),
    ];
    for (engine_type, model_type, path, engine_path, body) in cases {
        let engine = engine(engine_type, None).await;
        let gateway = gateway(&engine, model_type).await;
        let direct = engine.post(engine_path, &upstream(body)).await;
        assert_eq!(direct.status.as_u16(), 200, "{path}: {}", direct.text());
        let paths =
            if path.starts_with("/v2") { vec![path.to_owned()] } else { vec![path.to_owned(), format!("/v1{path}")] };
        for path in paths {
            let through = gateway.post(&path, body).await;
            assert_eq!(comparable(through.text()), comparable(direct.text()), "{path}");
            assert_eq!(through.headers["content-type"], direct.headers["content-type"]);
        }
    }
}

#[tokio::test]
async fn a_response_is_billed_by_the_engine_s_count() {
    for stream in [true, false] {
        let engine = engine(EngineType::Chat, None).await;
        let gateway = gateway(&engine, ModelType::Chat).await;
        let body = RESPONSE.replace("\"x_", &format!("\"stream\":{stream},\"x_"));
        let through = gateway.post("/v1/responses", &body).await;
        let direct = engine.post("/v1/responses", &upstream(&body)).await;
        assert_eq!(comparable(through.text()), comparable(direct.text()));
        assert!(!through.text().contains("\"up\""), "{}", through.text());

        let event = gateway.only_event().await;
        assert_eq!(
            (event.outcome, event.usage_source, event.open.stream),
            (Outcome::Completed, UsageSource::Engine, stream)
        );
        assert_eq!((event.usage.completion_tokens, &*event.open.surface), (5, "responses"));
        assert!(event.usage.prompt_tokens > 0);
    }
}

#[tokio::test]
async fn a_response_stream_that_breaks_off_ends_in_an_error_event() {
    let engine = engine(EngineType::Chat, Some("cut:6")).await;
    let gateway = gateway(&engine, ModelType::Chat).await;
    let through = gateway.post("/v1/responses", &RESPONSE.replace("\"x_", "\"stream\":true,\"x_")).await;
    let last = through.text().rsplit("data: ").next().unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap()["error"]["code"], "upstream_error");
    let event = gateway.only_event().await;
    assert_eq!((event.outcome, event.usage_source), (Outcome::Failed, UsageSource::Estimate));
    assert!((1..5).contains(&event.usage.completion_tokens), "what was relayed is billed: {event:?}");
}

#[tokio::test]
async fn searches_images_and_characters_are_billed_by_the_piece() {
    let engine_of = |engine_type| engine(engine_type, None);
    let rerank = engine_of(EngineType::Rerank).await;
    let gateway_of_rerank = gateway(&rerank, ModelType::Rerank).await;
    gateway_of_rerank.post("/rerank", r#"{"model":"m","query":"a","documents":["a"]}"#).await;
    let event = gateway_of_rerank.only_event().await;
    assert_eq!((event.usage.searches, event.usage_source), (1, UsageSource::Engine));
    assert_eq!(event.cost.0, i64::try_from(event.usage.prompt_tokens).unwrap() + 13_000);

    let images = engine_of(EngineType::ImageGeneration).await;
    let gateway_of_images = gateway(&images, ModelType::ImageGeneration).await;
    gateway_of_images.post("/images/generations", r#"{"model":"m","prompt":"a","n":3,"size":"4x4"}"#).await;
    let event = gateway_of_images.only_event().await;
    assert_eq!((event.usage.images, event.usage.completion_tokens), (3, 0));

    let speech = engine_of(EngineType::TextToSpeech).await;
    let gateway_of_speech = gateway(&speech, ModelType::TextToSpeech).await;
    gateway_of_speech.post("/audio/speech", r#"{"model":"m","input":"Grüße"}"#).await;
    let event = gateway_of_speech.only_event().await;
    assert_eq!((event.usage.characters, event.usage.completion_tokens), (5, 0));
    assert!(event.cost.0 >= 5 * 11_000);
}

#[tokio::test]
async fn counting_tokens_costs_nothing() {
    let engine = engine(EngineType::Chat, None).await;
    let gateway = gateway(&engine, ModelType::Chat).await;
    gateway.post("/tokenize", r#"{"model":"m","prompt":"a b c"}"#).await;
    let event = gateway.only_event().await;
    assert_eq!((event.outcome, event.cost.0, event.usage_source), (Outcome::Completed, 0, UsageSource::None));
}

#[tokio::test]
async fn speech_arrives_byte_for_byte() {
    let engine = engine(EngineType::TextToSpeech, None).await;
    let gateway = gateway(&engine, ModelType::TextToSpeech).await;
    let body = r#"{"model":"m","input":"Hello there","response_format":"wav"}"#;
    let direct = engine.post("/v1/audio/speech", &upstream(body)).await;
    let through = gateway.post("/v1/audio/speech", body).await;
    assert_eq!(through.body, direct.body);
    assert_eq!(
        (&through.headers["content-type"], &through.headers["content-length"]),
        (&"audio/wav".parse().unwrap(), &direct.headers["content-length"])
    );
}

#[tokio::test]
async fn an_api_that_a_model_has_not_is_refused() {
    let engine = engine(EngineType::Chat, None).await;
    let gateway = gateway(&engine, ModelType::Chat).await;
    for path in ["/rerank", "/score", "/embeddings", "/audio/speech", "/images/generations"] {
        let refused = gateway.post(path, r#"{"model":"m","input":"x"}"#).await;
        assert_eq!(
            refused.error(),
            (400, "invalid_request_error".into(), "model".into(), "model_not_supported".into()),
            "{path}"
        );
    }
    assert_eq!(engine.state().await["total"], 0);
}
