use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, header};

use crate::sessions;

/// Name of the cookie where the way is not encrypted.
const PLAIN: &str = "enginehouse";
/// Its name where it is: browsers take it from no other host then.
const SECURE: &str = "__Host-enginehouse";

/// The session that a request presents; not a second one, which could have been planted beside it.
pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(name, _)| *name == PLAIN || *name == SECURE).map(|(_, value)| value);
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// What makes a browser keep a session.
pub(super) fn keep(id: &str, is_secure: bool) -> HeaderValue {
    set(id, sessions::LASTS.as_secs(), is_secure)
}

/// What makes it forget one.
pub(super) fn forget(is_secure: bool) -> HeaderValue {
    set("", 0, is_secure)
}

/// Whether the way is encrypted up to a proxy on this machine; only that one is believed.
pub(super) fn is_secure(headers: &HeaderMap, remote: Option<IpAddr>) -> bool {
    let is_proxy = remote.is_some_and(|address| address.to_canonical().is_loopback());
    is_proxy && headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes() == b"https")
}

fn set(value: &str, seconds: u64, is_secure: bool) -> HeaderValue {
    let (name, secure) = if is_secure { (SECURE, "; Secure") } else { (PLAIN, "") };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    // Cannot fail: ids are plain text.
    let mut header = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&'static str]) -> HeaderMap {
        cookies.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        assert_eq!(session(&headers(&["a=1; enginehouse=x; b=2"])), Some("x"));
        assert_eq!(session(&headers(&["a=1", "__Host-enginehouse=y"])), Some("y"));
        assert_eq!(session(&headers(&["a=1; enginehousex=x"])), None);
        assert_eq!(session(&headers(&["enginehouse=x; enginehouse=planted"])), None, "which one is ours?");
    }

    #[test]
    fn scripts_and_other_sites_do_not_get_it() {
        let kept = keep("id", false);
        assert_eq!(kept, "enginehouse=id; Path=/; Max-Age=86400; HttpOnly; SameSite=Strict");
        assert_eq!(keep("id", true), "__Host-enginehouse=id; Path=/; Max-Age=86400; HttpOnly; SameSite=Strict; Secure");
        assert!(forget(false).to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(format!("{kept:?}"), "Sensitive");
    }

    #[test]
    fn only_a_proxy_on_this_machine_is_believed() {
        let headers = HeaderMap::from_iter([("x-forwarded-proto".parse().unwrap(), HeaderValue::from_static("https"))]);
        assert!(is_secure(&headers, Some("127.0.0.1".parse().unwrap())));
        assert!(!is_secure(&headers, Some("10.0.0.5".parse().unwrap())));
        assert!(!is_secure(&HeaderMap::new(), Some("::1".parse().unwrap())));
    }
}
