//! Which field is at fault where what was sent cannot be read.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Fields of a body that are tried one by one at most.
const TRIES: usize = 64;

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// From the path that the reader had got to, and the field that its message names; none if it knows neither.
pub(super) fn path(reached: &str, message: &str) -> Option<String> {
    let parents = if reached == "." || reached == "?" { "" } else { reached.trim_end_matches(".?") };
    let Some(field) = named_in(message) else { return (!parents.is_empty()).then(|| parents.to_owned()) };
    let is_last = parents == field || parents.ends_with(&format!(".{field}"));
    Some(match parents {
        "" => field.to_owned(),
        _ if is_last => parents.to_owned(),
        _ => format!("{parents}.{field}"),
    })
}

/// The field of an object without which it could be read, or could not be for another reason. Fields that stand
/// together in a part of their own are read without a trace of which is which.
pub(super) fn of_body<T: DeserializeOwned>(body: &Value) -> Option<String> {
    let fields = body.as_object()?;
    if fields.len() > TRIES {
        return None;
    }
    let message = |body: &Value| T::deserialize(body).err().map(|error| error.to_string());
    let whole = message(body)?;
    let is_culprit = |name: &&String| {
        let mut rest = fields.clone();
        rest.remove(*name);
        message(&Value::Object(rest)).is_none_or(|other| other != whole)
    };
    fields.keys().find(is_culprit).cloned()
}

/// Reads a query; else what is wrong, and with which of its fields if one can be told.
pub(super) fn read_pairs<T: DeserializeOwned>(pairs: &[Pair<'_>]) -> Result<T, (String, Option<String>)> {
    let error = match read::<T>(pairs) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    if let Some(field) = named_in(&error) {
        let field = field.to_owned();
        return Err((error, Some(field)));
    }
    let without = |name: &str| pairs.iter().filter(|pair| pair.0 != name).cloned().collect::<Vec<_>>();
    let culprit = pairs.iter().take(TRIES).find(|pair| read::<T>(&without(&pair.0)).is_ok());
    let field = culprit.map(|pair| pair.0.to_string());
    let error = field.as_ref().map_or_else(|| error.clone(), |field| format!("{field}: {error}"));
    Err((error, field))
}

fn read<T: DeserializeOwned>(pairs: &[Pair<'_>]) -> Result<T, String> {
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let uri = format!("/?{text}").parse().map_err(|_| "it is too long".to_owned())?;
    match axum::extract::Query::<T>::try_from_uri(&uri) {
        Ok(axum::extract::Query(read)) => Ok(read),
        Err(rejection) => {
            let text = rejection.body_text();
            Err(text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text).to_owned())
        }
    }
}

/// The field that serde's message is about, if it names one.
fn named_in(message: &str) -> Option<&str> {
    let (_, rest) = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|words| message.split_once(words))?;
    rest.split_once('`').map(|(field, _)| field)
}

/// The message without line and column: bodies are written by programs.
pub(super) fn without_place(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        #[serde(default)]
        _name: Option<String>,
        #[serde(flatten)]
        _part: Part,
    }

    #[derive(Debug, Default, Deserialize)]
    struct Part {
        #[serde(default)]
        _rpm: Option<u64>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        limit: Option<u32>,
        #[expect(dead_code, reason = "read, and no more")]
        name: Option<String>,
    }

    #[test]
    fn the_path_and_the_message_name_a_field() {
        assert_eq!(path("models[0].price", "invalid type"), Some("models[0].price".to_owned()));
        assert_eq!(path(".", "unknown field `tpn`, expected one of"), Some("tpn".to_owned()));
        assert_eq!(path("tpn", "unknown field `tpn`, expected one of"), Some("tpn".to_owned()));
        assert_eq!(path("a", "missing field `b`"), Some("a.b".to_owned()));
        assert_eq!(path(".", "invalid type"), None);
    }

    #[test]
    fn a_field_that_left_no_trace_is_found_by_trying() {
        assert_eq!(of_body::<Whole>(&json!({"_name": "x", "_rpm": "many"})), Some("_rpm".to_owned()));
        assert_eq!(of_body::<Whole>(&json!({"_name": "x", "_rpm": 1})), None);
        assert_eq!(of_body::<Whole>(&json!([])), None);
    }

    #[test]
    fn a_query_names_the_parameter_at_fault() {
        let fault = |pairs: &[(&'static str, &'static str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (Cow::from(*name), Cow::from(*value))).collect();
            read_pairs::<Query>(&pairs).unwrap_err().1
        };
        assert_eq!(fault(&[("limit", "many"), ("name", "x")]), Some("limit".to_owned()));
        assert_eq!(fault(&[("limt", "1")]), Some("limt".to_owned()));
        assert_eq!(fault(&[("limit", "1"), ("limit", "2")]), Some("limit".to_owned()));
        let read = read_pairs::<Query>(&[(Cow::from("limit"), Cow::from("7"))]).unwrap();
        assert_eq!(read.limit, Some(7));
    }
}
