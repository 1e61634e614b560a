use super::*;

#[test]
fn names_with_a_slash_are_one_segment() {
    assert_eq!(segment("Qwen/Qwen3-8B").to_string(), "Qwen%2FQwen3-8B");
    assert_eq!(segment("größe").to_string(), "gr%C3%B6%C3%9Fe");
}

#[test]
fn a_query_holds_only_what_is_set() {
    assert_eq!(query([]), "");
    assert_eq!(query([("by", "key,day".to_owned()), ("model", "a b".to_owned())]), "?by=key%2Cday&model=a+b");
}

#[test]
fn an_answer_that_is_not_json_says_so() {
    let page = Answer { status: StatusCode::OK, next: None, body: Bytes::from_static(b"<html>") };
    assert!(page.into_value().unwrap_err().to_string().contains("admin port"));
    let nothing = Answer { status: StatusCode::NO_CONTENT, next: None, body: Bytes::new() };
    assert_eq!(nothing.into_value().unwrap(), Value::Null);
}
