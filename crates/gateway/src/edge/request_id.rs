use std::sync::Arc;

use ambient::{Rng, Timestamp};
use http::HeaderMap;

/// Characters that a client's own id may have.
const MAX_LENGTH: usize = 128;

/// The request's id: the client's own `x-request-id` if it is short and plain, else a new one.
///
/// New ones begin with the time: ids that grow go to the end of an index, where random ones touch all of it.
pub(crate) fn request_id(headers: &HeaderMap, now: Timestamp, rng: &Rng) -> Arc<str> {
    let own = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    match own.filter(|id| is_plain(id)) {
        Some(id) => id.into(),
        None => new_id(now, rng),
    }
}

/// `req_`, the microseconds and 9 random bytes, in hexadecimal.
fn new_id(now: Timestamp, rng: &Rng) -> Arc<str> {
    let mut id = *b"req_00000000000000000000000000000000";
    let [_, micros @ ..] = now.as_micros().to_be_bytes();
    let (time, random) = id[4..].split_at_mut(2 * micros.len());
    // The lengths fit, so neither fails.
    let _ = hex::encode_to_slice(micros, time);
    let _ = hex::encode_to_slice(rng.bytes::<9>(), random);
    String::from_utf8_lossy(&id).into()
}

/// Fit for logs and headers as it is.
fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_id_is_kept_and_anything_else_replaced() {
        let of = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", id.parse().unwrap());
            request_id(&headers, Timestamp::from_micros(7), &Rng::seeded(1)).to_string()
        };
        assert_eq!(of("abc-1.2_3"), "abc-1.2_3");
        for id in ["", "a b", "a\"b", &"x".repeat(129)] {
            assert!(of(id).starts_with("req_00000000000007"), "{id}");
        }
    }
}
