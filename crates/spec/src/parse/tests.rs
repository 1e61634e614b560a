use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{Gpu, arbitrary::documents, to_json, to_yaml};

/// The example of the contract: every field that it names has to be read.
const CONTRACT: &str = r#"
version: 1
models:
  - name: tiny                       # public name
    type: chat
    deployments:
      - endpoint: { provider: openai-compatible, url: http://127.0.0.1:8000/v1, model: tiny-random, credential: null, weight: 1, rpm: null, tpm: null }
      - engine: { source: Qwen/Qwen3-8B, revision: main, runtime: docker, gpus: [0, 1], replicas: 2, quantization: auto, max_model_len: 8192, args: [], env: {} }
      - engine: { source: ./models/tiny, runtime: process, command: [vllm, serve, "{source}", --port, "{port}", --served-model-name, "{name}"] }
    price: { input: 0.10, output: 0.40 }
    open_access: false
"#;

fn refusal(text: &str, format: Format) -> (u64, u64, String) {
    match parse(text, format) {
        Err(ParseError::Invalid { line, column, message, .. }) => (line, column, message),
        other => panic!("{text}: {other:?}"),
    }
}

#[track_caller]
fn refused(text: &str, format: Format, at: (u64, u64), words: &str) {
    let (line, column, message) = refusal(text, format);
    assert_eq!((line, column), at, "{message}");
    assert!(message.contains(words), "{message}");
    assert!(!message.contains(" at line "), "the place stands in front already: {message}");
}

#[test]
fn reads_the_contract() {
    let document = parse(CONTRACT, Format::Yaml).unwrap();
    let [endpoint, docker, process] = document.models[0].deployments.as_slice() else { panic!("three deployments") };
    assert_eq!(endpoint.endpoint.as_ref().unwrap().url, "http://127.0.0.1:8000/v1");
    assert_eq!(docker.engine.as_ref().unwrap().gpus, [Gpu::Index(0), Gpu::Index(1)]);
    assert_eq!(process.engine.as_ref().unwrap().command[4], "{port}");
    let json = to_json(&document).unwrap();
    assert_eq!(parse(&json, Format::Json), Ok(document));
}

#[test]
fn the_file_name_tells_the_format() {
    assert_eq!(Format::from_path(Path::new("a/b.JSON")), Format::Json);
    assert_eq!(Format::from_path(Path::new("a.json/b.yaml")), Format::Yaml);
    assert_eq!(Format::from_path(Path::new("-")), Format::Yaml);
}

#[test]
fn an_unknown_field_is_refused_with_its_place_and_the_known_ones() {
    let known =
        "unknown field `nmae`, expected one of `name`, `type`, `deployments`, `price`, `open_access`, `strategy`";
    refused("version: 1\nmodels:\n  - nmae: a\n", Format::Yaml, (3, 5), known);
    // In JSON, the place is where the name ends. `é` is one character and two bytes.
    refused("{\"version\": 1,\n\"models\": [{\"name\": \"é\", \"nmae\": 1}]}", Format::Json, (2, 31), known);
}

#[test]
fn a_duplicate_key_is_refused() {
    refused("version: 1\nmodels: []\nmodels: []\n", Format::Yaml, (3, 1), "duplicate key `models`");
    refused("{\"version\": 1,\n \"version\": 1}", Format::Json, (2, 10), "duplicate field `version`");
    let engine = |env: &str| {
        format!(
            r#"{{"version": 1, "models": [{{"name": "a", "type": "chat", "deployments": [
            {{"engine": {{"source": "x", "env": {env}}}}}]}}]}}"#
        )
    };
    refused(&engine(r#"{"A": "1", "A": "2"}"#), Format::Json, (2, 60), "duplicate key `A`");
    refused(&engine(r#"{"A": "1", "A": "2"}"#), Format::Yaml, (2, 58), "duplicate key `A`");
}

#[test]
fn wrong_types_are_refused_in_plain_words() {
    let model = |rest: &str| format!("version: 1\nmodels:\n  - {{name: a, type: chat, {rest}}}");
    for (rest, words) in [
        ("strategy: usage-based", "unknown value `usage-based`, expected one of `least-busy`, `simple-shuffle`"),
        ("price: {input: cheap}", "expected a number"),
        ("open_access: maybe", "expected `true` or `false`"),
        ("deployments: 5", "expected a list"),
        ("deployments: [5]", "expected a mapping of fields"),
        ("deployments: [{endpoint: {url: u, weight: -1}}]", "expected a whole number, not below 0"),
        ("deployments: [{engine: {source: s, gpus: [-1]}}]", "expected a GPU: its index, its UUID, `all`"),
    ] {
        let (line, _, message) = refusal(&model(rest), Format::Yaml);
        assert_eq!(line, 3);
        assert!(message.contains(words), "{rest}: {message}");
    }
    refused("{\"version\": \"1\"}", Format::Json, (1, 15), "invalid type: string \"1\", expected u32");
    refused("", Format::Yaml, (1, 1), "empty");
    refused("", Format::Json, (1, 1), "EOF");
    refused("models: []", Format::Yaml, (1, 1), "missing field `version`");
}

#[test]
fn a_list_is_not_a_mapping_of_fields() {
    refused("[1]", Format::Json, (1, 1), "invalid type: sequence, expected a mapping: a desired state");
    refused(
        "{\"version\": 1, \"routing\": []}",
        Format::Json,
        (1, 26),
        "expected a mapping: the settings of `routing`",
    );
    refused("{\"version\": 1, \"models\": [[\"a\", \"chat\"]]}", Format::Json, (1, 26), "expected a mapping: a model");
    refused("[1]", Format::Yaml, (1, 1), "expected a mapping");
}

#[test]
fn only_one_document_is_read() {
    refused("version: 1\n---\nversion: 1\n", Format::Yaml, (3, 1), "single YAML document");
    refused("{\"version\": 1} {}", Format::Json, (1, 16), "trailing characters");
}

#[test]
fn the_refusal_shows_the_line() {
    let error = parse("version: 1\nmodles: []\n", Format::Yaml).unwrap_err();
    let shown = "line 2, column 1: unknown field `modles`, expected one of `version`, `models`, `defaults`, `credentials`, `recipes`, `aliases`, `routing`, `ledger`, `cache`, `requests`, `limits`, `housekeeping`, `passthrough`\n\
                 2 | modles: []\n  | ^";
    assert_eq!(error.to_string(), shown);
}

#[test]
fn size_and_depth_are_bounded() {
    let padding = " ".repeat(limits::DOCUMENT_BYTES);
    let text = format!("{padding}{{}}");
    for format in [Format::Yaml, Format::Json] {
        assert_eq!(parse(&text, format), Err(ParseError::TooLarge { bytes: text.len() }));
    }
    for nested in ["[".repeat(100_000), "{\"version\":".repeat(100_000), "- ".repeat(100_000), "{".repeat(100_000)] {
        refusal(&nested, Format::Yaml);
        refusal(&nested, Format::Json);
    }
    let bomb = "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nversion: *c";
    refusal(bomb, Format::Yaml);
}

#[test]
fn a_long_key_is_cut_in_the_refusal() {
    let error = parse(&format!("{{\"{}\": 1}}", "k".repeat(1 << 20)), Format::Json).unwrap_err();
    assert!(error.to_string().len() < 1000);
}

/// Replaces, doubles, or removes a stretch of the text.
fn mutate(text: &str, at: usize, length: usize, with: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = at % (chars.len() + 1);
    let end = (at + length).min(chars.len());
    chars[..at].iter().copied().chain(with.chars()).chain(chars[end..].iter().copied()).collect()
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), words in "[-\\[\\]{}:,&*!|>'\"%@#~ \nav01]{0,80}") {
        for text in [String::from_utf8_lossy(&bytes).into_owned(), words.clone(), format!("version: 1\nmodels: {words}")] {
            let _ = parse(&text, Format::Yaml);
            let _ = parse(&text, Format::Json);
        }
    }

    #[test]
    fn no_damaged_document_makes_it_panic(document in documents(), at: usize, length in 0_usize..8, with in "[-\\[\\]{}:,&*!|>'\"%@#~ \n\t\u{0}é01]{0,4}") {
        for (text, format) in [(to_yaml(&document).unwrap(), Format::Yaml), (to_json(&document).unwrap(), Format::Json)] {
            if let Err(error) = parse(&mutate(&text, at, length, &with), format) {
                prop_assert!(error.to_string().starts_with("line "));
            }
        }
    }
}
