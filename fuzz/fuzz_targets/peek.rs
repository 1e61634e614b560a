//! A request body: what is read of it is what a JSON library reads, and a splice changes that and nothing else.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wire::{Answer, Dialect, Edit, ErrorBody, Peek, json_string, splice};

fuzz_target!(|body: &[u8]| {
    let _ = (Answer::parse(body), ErrorBody::is_openai(body), ErrorBody::message_of(body, 100));
    for dialect in [Dialect::Completions, Dialect::Responses, Dialect::Plain, Dialect::Speech] {
        check(dialect, body);
    }
});

fn check(dialect: Dialect, body: &[u8]) {
    let Ok(peek) = Peek::parse_as(dialect, body) else { return };
    // Our reader skips what it does not want without building it, so it may accept numbers and nesting that a tree cannot hold.
    let Ok(tree) = serde_json::from_slice::<Value>(body) else { return };
    assert_eq!(peek.model.as_ref().map(|model| model.value.as_str()), tree["model"].as_str());
    if dialect == Dialect::Completions {
        assert_eq!(peek.stream, tree["stream"].as_bool().unwrap_or(false));
    }
    let Some(model) = peek.model else { return };
    let edit = Edit { span: model.span, text: json_string("other") };
    let spliced = splice(&Bytes::copy_from_slice(body), vec![edit]).concat();
    let mut expected = tree;
    expected["model"] = "other".into();
    assert_eq!(serde_json::from_slice::<Value>(&spliced).ok(), Some(expected));
}
