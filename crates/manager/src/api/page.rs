//! Lists in pages: a list stays a list, and the header `link` (RFC 8288) says where the next page is.

use axum::Json;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderValue, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Problem;

/// Entries of a page unless asked otherwise, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 1_000;

/// Which part of a list: behind the entry that `K` tells apart.
#[derive(Clone, Debug)]
pub(super) struct Page<K> {
    /// How many entries at most.
    pub(super) limit: usize,
    /// The last entry of the page before.
    pub(super) after: Option<K>,
}

/// A page.
#[derive(Debug)]
pub(super) struct Listed<T> {
    items: Vec<T>,
    /// Where the next one begins, if there is one.
    next: Option<String>,
}

/// Where the next page begins, on its way out.
#[derive(Clone, Debug)]
struct Follows(String);

// === impl Page ===

impl<K: Serialize + DeserializeOwned> Page<K> {
    /// From what was asked for.
    pub(super) fn read(limit: Option<u32>, cursor: Option<&str>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Problem::unfit("limit", format!("must be 1 to {MOST}")));
        }
        let after = cursor.map(|cursor| decode(cursor).ok_or_else(stale)).transpose()?;
        Ok(Self { limit: limit as usize, after })
    }

    /// How many rows to ask a store for: one more than the limit.
    pub(super) fn rows(&self) -> u32 {
        u32::try_from(self.limit + 1).unwrap_or(u32::MAX)
    }

    /// Out of a whole list that is in the order of its keys.
    pub(super) fn cut<T>(&self, all: impl Iterator<Item = T>, key: impl Fn(&T) -> K) -> Listed<T>
    where
        K: PartialOrd,
    {
        let rest = all.filter(|item| self.after.as_ref().is_none_or(|after| key(item) > *after));
        self.of_rest(rest.take(self.limit + 1).collect(), key)
    }

    /// Out of what follows the page before: one entry more than the limit tells that there is a next page.
    pub(super) fn of_rest<T>(&self, mut rest: Vec<T>, key: impl Fn(&T) -> K) -> Listed<T> {
        let has_next = rest.len() > self.limit;
        rest.truncate(self.limit);
        let next = rest.last().filter(|_| has_next).map(|last| encode(&key(last)));
        Listed { items: rest, next }
    }
}

// === impl Listed ===

impl<T> Listed<T> {
    /// The same page of something else.
    pub(super) fn map<U>(self, each: impl FnMut(T) -> U) -> Listed<U> {
        Listed { items: self.items.into_iter().map(each).collect(), next: self.next }
    }

    /// An answer of which the page is a part only.
    pub(super) fn within<W: Serialize>(self, whole: impl FnOnce(Vec<T>) -> W) -> Response {
        let mut response = Json(whole(self.items)).into_response();
        if let Some(next) = self.next {
            response.extensions_mut().insert(Follows(next));
        }
        response
    }
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        self.within(|items| items)
    }
}

/// Says what caches may keep, and in each answer that has a next page where it is: the same request, filters included, with another cursor.
pub(super) async fn link(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let mut response = next.run(request).await;
    if let Some(Follows(cursor)) = response.extensions_mut().remove() {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.filter(|(name, _)| name != "cursor")).append_pair("cursor", &cursor);
        let link = HeaderValue::try_from(format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish()));
        response.headers_mut().extend(link.ok().map(|link| (header::LINK, link)));
    }
    // Answers hold what is of today, and now and then a secret: no cache keeps them unasked.
    let caching = if response.headers().contains_key(header::ETAG) { "no-cache" } else { "no-store" };
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static(caching));
    response
}

fn encode<K: Serialize>(key: &K) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

fn decode<K: DeserializeOwned>(cursor: &str) -> Option<K> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

fn stale() -> Problem {
    Problem::unfit("cursor", "is not one of this list; leave it out to begin with the first page")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(limit: u32) -> Vec<Vec<u32>> {
        let (mut cursor, mut pages) = (None::<String>, Vec::new());
        loop {
            let page = Page::<u32>::read(Some(limit), cursor.as_deref()).unwrap();
            let Listed { items, next } = page.cut(1..=5, |n| *n);
            pages.push(items);
            let Some(next) = next else { return pages };
            cursor = Some(next);
        }
    }

    #[test]
    fn every_entry_stands_in_one_page() {
        assert_eq!(pages(2), [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(pages(5), [vec![1, 2, 3, 4, 5]], "there is no empty last page");
        assert_eq!(pages(1).len(), 5);
    }

    #[test]
    fn nonsense_is_refused() {
        for (limit, cursor) in [(Some(0), None), (Some(1001), None), (None, Some("x")), (None, Some("IngiCg"))] {
            assert!(Page::<u32>::read(limit, cursor).is_err(), "{limit:?} {cursor:?}");
        }
    }
}
