use std::iter;

use url::Url;

use super::{QUOTES, is_secret_name};
use crate::environment_variable;

/// What keys begin with.
const KEY: &str = "sk-";
/// Slovak, as languages are named; no key.
const SLOVAK: &str = "sk-sk";
/// What stands in front of a secret in a header.
const SCHEMES: [&str; 2] = ["bearer ", "basic "];
/// Addresses in a text that are looked at, and bytes of each: a bound for what a text can cost.
const ADDRESSES: usize = 64;
const ADDRESS_BYTES: usize = 4096;

/// Whether a text looks like a secret, whatever it is called: `sk-…`, `Bearer …`, an address with a password, or one that
/// is a secret itself, as those of webhooks. Also where that stands inside of it, after `=`, `:` or a quotation mark.
pub fn is_secret_text(text: &str) -> bool {
    has_scheme(text)
        || starts(text).any(|rest| is_key(rest) || is_header(rest))
        || addresses(text).any(|url| is_secret_address(&url))
}

/// Where in a text a value can begin.
fn starts(text: &str) -> impl Iterator<Item = &str> {
    let inside = text.match_indices(['=', ':', '"', '\'']).filter_map(|(at, _)| text.get(at + 1..));
    iter::once(text).chain(inside).map(str::trim_start)
}

fn is_key(rest: &str) -> bool {
    let is_slovak = after(rest, SLOVAK).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    rest.starts_with(KEY) && !is_slovak
}

/// A scheme of authorization and one word behind it; more words are a sentence.
fn is_header(rest: &str) -> bool {
    let Some(behind) = SCHEMES.iter().find_map(|scheme| after(rest, scheme)) else { return false };
    let value = behind.trim_start();
    let end = value.find(|c: char| c.is_whitespace() || QUOTES.contains(&c)).unwrap_or(value.len());
    let is_last = !value[end..].starts_with(char::is_whitespace) || value[end..].trim_start().is_empty();
    end > 0 && is_last && environment_variable(value).is_none()
}

/// A whole text that begins as a header does.
fn has_scheme(text: &str) -> bool {
    ["Bearer ", "Basic "]
        .iter()
        .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| environment_variable(rest.trim_start()).is_none()))
}

fn after<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The addresses in a text.
fn addresses(text: &str) -> impl Iterator<Item = Url> {
    text.match_indices("://").take(ADDRESSES).filter_map(|(at, _)| {
        let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let start = text[..at].trim_end_matches(is_of_scheme).len();
        let rest = &text[start..];
        let end = rest.find(|c: char| c.is_whitespace() || QUOTES.contains(&c)).unwrap_or(rest.len());
        Url::parse(rest[..end].get(..ADDRESS_BYTES).unwrap_or(&rest[..end])).ok()
    })
}

fn is_secret_address(url: &Url) -> bool {
    let of_webhook = url.host_str().is_some_and(|host| host.starts_with("hooks.") || host.contains("webhook."))
        || url.path().starts_with("/api/webhooks/");
    let in_query = || url.query_pairs().any(|(name, value)| is_secret_name(&name) && !value.is_empty());
    url.password().is_some() || of_webhook || in_query()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_looks() {
        for text in [
            "sk-1",
            "--key=sk-1",
            r#"{"a": "sk-1"}"#,
            "Bearer x y",
            "Authorization: Bearer x",
            "x='bearer abc'",
            "Basic dTpw",
            "postgres://u:pw@h/d",
            "--db=postgres://u:pw@h/d",
            "redis://:pw@h",
            "https://h/v1?api_key=x",
            "https://hooks.slack.com/services/T0/B0/x",
            "https://discord.com/api/webhooks/1/x",
            "https://acme.webhook.office.com/webhookb2/x",
        ] {
            assert!(is_secret_text(text), "{text}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "fast",
            "sk",
            "sk-SK",
            "lang=sk-SK",
            "/models/sk-learn",
            "risk-free",
            "Bearer",
            "bearer",
            "Bearer os.environ/A",
            "the note: basic things are fine",
            "postgres://u@h/d",
            "http://h:8000/v1?x=1",
            "os.environ/A",
            "a://",
            "://",
        ] {
            assert!(!is_secret_text(text), "{text}");
        }
    }
}
