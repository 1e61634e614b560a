use http::uri::Authority;
use http::{HeaderMap, Uri, header};

use super::Problem;

/// Whether a request comes from a page of our own; one that does not say where it comes from is refused.
pub(super) fn check_own(headers: &HeaderMap) -> Result<(), Problem> {
    match of(headers) {
        Origin::Own => Ok(()),
        Origin::Foreign => Err(foreign()),
        Origin::Unsaid => {
            let detail =
                "with a session, changes must say where they come from: send `Origin` with the address of this server";
            Err(Problem::forbidden(detail))
        }
    }
}

/// Fails for a request that comes from a page of somebody else; programs say nothing.
pub(super) fn check_not_foreign(headers: &HeaderMap) -> Result<(), Problem> {
    if of(headers) == Origin::Foreign { Err(foreign()) } else { Ok(()) }
}

/// Where a request comes from, as browsers say, which pages cannot change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Own,
    Foreign,
    Unsaid,
}

fn of(headers: &HeaderMap) -> Origin {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match text("sec-fetch-site") {
        // `none`: the person did it, by the address bar or a bookmark; never a change.
        Some("same-origin") => return Origin::Own,
        Some(_) => return Origin::Foreign,
        None => {}
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return Origin::Unsaid };
    let named = origin.parse::<Uri>().ok().and_then(|origin| origin.authority().map(Authority::to_string));
    let is_own = named.is_some_and(|named| text(header::HOST.as_str()) == Some(named.as_str()));
    if is_own { Origin::Own } else { Origin::Foreign }
}

fn foreign() -> Problem {
    Problem::forbidden("this was sent by a page of another site, or another address of this one")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn origin(pairs: &[(&'static str, &'static str)]) -> Origin {
        let pairs = [("host", "127.0.0.1:7860")].iter().chain(pairs);
        of(&pairs.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect())
    }

    #[test]
    fn browsers_say_where_a_request_comes_from() {
        assert_eq!(origin(&[]), Origin::Unsaid);
        assert_eq!(origin(&[("origin", "http://127.0.0.1:7860")]), Origin::Own);
        assert_eq!(origin(&[("sec-fetch-site", "same-origin")]), Origin::Own);
        for foreign in ["http://evil.example", "null", "http://127.0.0.1:4000", "http://127.0.0.1", ""] {
            assert_eq!(origin(&[("origin", foreign)]), Origin::Foreign, "{foreign}");
        }
        for site in ["cross-site", "same-site", "none"] {
            assert_eq!(origin(&[("sec-fetch-site", site), ("origin", "http://127.0.0.1:7860")]), Origin::Foreign);
        }
    }
}
