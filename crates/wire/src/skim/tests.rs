use proptest::prelude::*;

use super::*;
use crate::raw::tests::parsed;

const WANTED: [&str; 3] = ["model", "stream", "a"];

fn skimmed(json: &[u8]) -> Option<Vec<(usize, usize, &str)>> {
    let found = members(json, &WANTED)?;
    Some(found.into_iter().map(|found| (found.index, found.start, found.text)).collect())
}

#[test]
fn what_is_plain_needs_no_parser() {
    for json in [
        r"{}",
        r#" { "model" : "x" , "stream":true } "#,
        r#"{"messages":[{"content":"a\n\u00e9\"{[é"},[],{},[[{"x":null}]]],"model":"tiny","n":-1.5e+3}"#,
        r#"{"a":{"model":1},"model":2,"a":[]}"#,
    ] {
        assert_eq!(skimmed(json.as_bytes()), parsed(json.as_bytes(), &WANTED), "{json}");
        assert!(skimmed(json.as_bytes()).is_some(), "{json}");
    }
}

#[test]
fn what_is_odd_is_left_to_the_parser() {
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(102), "]".repeat(102));
    let odd = [
        r#"{"mod\u0065l":1}"#,
        r#"{"é":1}"#,
        r#"{"a":1"#,
        r#"{"a":1}}"#,
        r#"{"a":01}"#,
        r#"{"a":1,}"#,
        r#"{"a":[1 2]}"#,
        r#"{"a":[}]}"#,
        r#"{"a":{"b"}}"#,
        r#"{"a":"\x"}"#,
        "{\"a\":\"\t\"}",
        r#"{"a":"\u00g0"}"#,
        r#"{"a":1.}"#,
        r#"{"a":-}"#,
        r#"{"a":nul}"#,
        r"[]",
        "",
        &deep,
    ];
    for json in odd {
        assert_eq!(skimmed(json.as_bytes()), None, "{json}");
    }
    assert_eq!(members(b"{\"model\":\"\xff\"}", &WANTED), None);
}

/// JSON-like texts: mostly valid, with values of all kinds.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,2})?([eE][+-]?[0-9])?",
        "\"([a-z {}\\[\\],:é]|\\\\n|\\\\\"|\\\\u00e9){0,9}\"",
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        let member = (name(), inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    });
    let member = (name(), value).prop_map(|(name, value)| format!("{name} : {value}"));
    prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("\"model\"".to_owned()), Just("\"a\"".to_owned()), "\"[a-z]{0,6}\""]
}

proptest! {
    #[test]
    fn the_parser_agrees_with_whatever_passes(json in document(), change in any::<Option<(usize, u8)>>()) {
        let mut json = json.into_bytes();
        let is_intact = change.is_none();
        if let Some((at, byte)) = change {
            let at = at % json.len();
            json[at] = byte;
        }
        let quick = skimmed(&json);
        prop_assert!(quick.is_some() || !is_intact, "{}", String::from_utf8_lossy(&json));
        if quick.is_some() {
            prop_assert_eq!(quick, parsed(&json, &WANTED));
        }
    }
}
