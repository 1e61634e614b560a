use http::{HeaderMap, header};

use super::etag::tags;
use crate::staged::Precondition;

/// What the sender has seen, from `If-Match` or `If-None-Match`.
pub(super) fn of(headers: &HeaderMap) -> Precondition {
    let seen = tags(headers, header::IF_MATCH);
    match (seen.is_empty(), seen.iter().any(|tag| tag == "*")) {
        (false, true) => Precondition::Anything,
        (false, false) => Precondition::Etags(seen),
        (true, _) if tags(headers, header::IF_NONE_MATCH).iter().any(|tag| tag == "*") => Precondition::Absent,
        (true, _) => Precondition::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn what_was_seen_is_read_from_the_headers() {
        let seen = |name: HeaderName, value: &'static str| of(&HeaderMap::from_iter([(name, value.parse().unwrap())]));
        let etags = Precondition::Etags(vec!["\"3-a\"".to_owned(), "\"0-b\"".to_owned()]);
        assert_eq!(seen(header::IF_MATCH, "\"3-a\", \"0-b\""), etags);
        assert_eq!(seen(header::IF_MATCH, "*"), Precondition::Anything);
        assert_eq!(seen(header::IF_NONE_MATCH, "*"), Precondition::Absent);
        assert_eq!(seen(header::IF_NONE_MATCH, "\"3-a\""), Precondition::Unknown);
        assert_eq!(of(&HeaderMap::new()), Precondition::Unknown);
    }
}
