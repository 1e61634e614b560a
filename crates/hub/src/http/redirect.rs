use http::{Response, StatusCode, header};
use url::Url;

use crate::{Endpoint, HubError};

/// Redirects that are followed at most.
const MAX_HOPS: usize = 8;

/// The way from the endpoint to where a file really is.
#[derive(Debug)]
pub(crate) struct Hops {
    left: usize,
    encrypted: bool,
}

// === impl Hops ===

impl Hops {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        Self { left: MAX_HOPS, encrypted: endpoint.is_encrypted() }
    }

    /// Where an answer sends us, if it does. Never from an encrypted address to one that is not.
    pub(crate) fn follow<B>(&mut self, from: &Url, answer: &Response<B>) -> Result<Option<Url>, HubError> {
        if !is_redirect(answer.status()) {
            return Ok(None);
        }
        let host = from.host_str().unwrap_or_default();
        let odd = |why: &str| HubError::NotAHub { host: host.to_owned(), why: why.to_owned() };
        let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| from.join(location).ok()).ok_or_else(|| odd("it redirects nowhere"))?;
        if !matches!(next.scheme(), "http" | "https") || next.host().is_none() || !next.username().is_empty() {
            return Err(odd("it redirects to what is no address on the web"));
        }
        if self.encrypted && next.scheme() != "https" {
            return Err(odd("it redirects to an address that is not encrypted"));
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| odd("it redirects in circles"))?;
        Ok(Some(next))
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(location: &str) -> Response<()> {
        Response::builder().status(302).header("location", location).body(()).unwrap()
    }

    #[test]
    fn redirects_lead_on_but_not_out_of_encryption_nor_around_for_ever() {
        let endpoint: Endpoint = "https://hub".parse().unwrap();
        let here = Url::parse("https://hub/a/b").unwrap();
        let mut hops = Hops::new(&endpoint);
        let next = |hops: &mut Hops, location| hops.follow(&here, &to(location)).map(|url| url.map(String::from));
        assert_eq!(next(&mut hops, "/c").unwrap().unwrap(), "https://hub/c");
        assert_eq!(next(&mut hops, "https://cdn/x").unwrap().unwrap(), "https://cdn/x");
        for location in ["http://cdn/x", "file:///etc/passwd", "https://user@cdn/", "https://"] {
            assert!(next(&mut hops, location).is_err(), "{location}");
        }
        (0..6).for_each(|_| drop(next(&mut hops, "/c").unwrap()));
        assert!(next(&mut hops, "/c").unwrap_err().to_string().contains("in circles"));
        assert!(hops.follow(&here, &Response::new(())).unwrap().is_none());
    }
}
