//! Versions of single things: `ETag`, `If-None-Match` and `If-Match` (RFC 9110).
//!
//! A tag is the version, which grows with every change, and a digest of what is shown, which also moves with what was spent:
//! `"1795188362000000-5f2c9a1b"`. Both count for whether something was seen already, the version alone for whether it may be
//! changed.

use ambient::Timestamp;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use store::AuditFilter;

use super::Problem;
use crate::Manager;
use crate::digest::sha256;
use crate::keys::Seen;

/// Characters of the digest in a tag.
const DIGEST: usize = 16;

/// Answers with `view`, or with 304 if the asker has it already.
pub(super) fn answer(headers: &HeaderMap, version: Timestamp, view: &impl Serialize) -> Response {
    let body = serde_json::to_vec(view).unwrap_or_default();
    let tag = format!("\"{}-{}\"", version.as_micros(), &sha256(&body)[..DIGEST]);
    let seen = tags(headers, header::IF_NONE_MATCH);
    let is_seen = seen.iter().any(|seen| seen == "*" || seen.trim_start_matches("W/") == tag);
    let mut response = if is_seen { StatusCode::NOT_MODIFIED.into_response() } else { Json(view).into_response() };
    response.headers_mut().extend(HeaderValue::try_from(tag).ok().map(|tag| (header::ETAG, tag)));
    response
}

/// What the sender of a change has seen, from `If-Match`.
pub(super) fn seen(headers: &HeaderMap) -> Seen {
    let tags = tags(headers, header::IF_MATCH);
    if tags.is_empty() || tags.iter().any(|tag| tag == "*") {
        return Seen::Whatever;
    }
    let version = |tag: &String| tag.trim_matches('"').split('-').next()?.parse().ok().map(Timestamp::from_micros);
    Seen::Versions(tags.iter().filter_map(version).collect())
}

/// Why something is not changed that was changed by somebody else meanwhile: by whom, and how.
pub(super) async fn stale(manager: &Manager, subject: &str) -> Problem {
    let filter = AuditFilter { subject: Some(subject.to_owned()), ..AuditFilter::default() };
    let last = manager.store().audit().find(&filter, 1).await.unwrap_or_default().into_iter().next();
    let what = last.map(|row| {
        let fields: Vec<_> =
            row.detail["fields"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
        let fields = if fields.is_empty() { String::new() } else { format!(" of {}", fields.join(", ")) };
        format!(" ({}{fields} by {} at {})", row.action, row.actor, row.at)
    });
    let what = what.unwrap_or_default();
    Problem::precondition_failed(format!("it was changed since you saw it{what}; look at it again, then decide"))
}

/// The tags that a header lists, over all its lines.
pub(super) fn tags(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_read_from_the_header() {
        let seen = |value: &'static str| seen(&HeaderMap::from_iter([(header::IF_MATCH, value.parse().unwrap())]));
        let version = Timestamp::from_micros;
        assert_eq!(seen("\"5-ab\", \"6-cd\""), Seen::Versions(vec![version(5), version(6)]));
        assert_eq!(seen("*"), Seen::Whatever);
        assert_eq!(seen("\"nonsense\""), Seen::Versions(Vec::new()), "which is none that there is");
        assert_eq!(super::seen(&HeaderMap::new()), Seen::Whatever);
    }
}
