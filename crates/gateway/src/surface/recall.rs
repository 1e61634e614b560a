use http::Method;

use super::{Surface, Via, expect};

/// Bytes of an id in a path at most.
const MAX_ID_BYTES: usize = 256;

/// A response that an engine keeps, and what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recall {
    /// The response's id; of letters, digits, `_`, `-` and `.`.
    pub(crate) id: String,
    part: Part,
}

/// What of a response a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The response: got or deleted.
    Whole,
    /// `/cancel`.
    Cancel,
    /// `/input_items`.
    InputItems,
}

// === impl Recall ===

impl Recall {
    /// Reads `/responses/<id>` and what is below it.
    pub(super) fn at(bare: &str) -> Option<Self> {
        let rest = bare.strip_prefix("/responses/")?;
        let (id, part) = match rest.split_once('/') {
            None => (rest, Part::Whole),
            Some((id, "cancel")) => (id, Part::Cancel),
            Some((id, "input_items")) => (id, Part::InputItems),
            Some(_) => return None,
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let is_id = (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(is_plain) && !id.starts_with('.');
        is_id.then(|| Self { id: id.to_owned(), part })
    }

    /// What a request with `method` asks for.
    pub(super) fn asked(self, method: &Method, via: Via) -> Surface {
        let part = self.part;
        let surface = Surface::Response(via, self);
        match part {
            Part::Whole if method == Method::DELETE => surface,
            Part::Whole => expect(method, &Method::GET, "GET, DELETE", surface),
            Part::InputItems => expect(method, &Method::GET, "GET", surface),
            Part::Cancel => expect(method, &Method::POST, "POST", surface),
        }
    }

    /// The path below `/responses`.
    pub(crate) fn path(&self) -> String {
        let part = match self.part {
            Part::Whole => "",
            Part::Cancel => "/cancel",
            Part::InputItems => "/input_items",
        };
        format!("/{}{part}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_got_deleted_cancelled_and_listed() {
        let of = |method: &Method, path| match Surface::of(method, path) {
            Surface::Response(_, recall) => Ok((recall.id.clone(), recall.path())),
            other => Err(other),
        };
        let whole = Ok(("resp_1".to_owned(), "/resp_1".to_owned()));
        assert_eq!(of(&Method::GET, "/v1/responses/resp_1"), whole);
        assert_eq!(of(&Method::DELETE, "/responses/resp_1"), whole);
        assert_eq!(of(&Method::POST, "/v1/responses/resp_1/cancel").unwrap().1, "/resp_1/cancel");
        assert_eq!(of(&Method::GET, "/models/m/v1/responses/resp_1/input_items").unwrap().1, "/resp_1/input_items");
        assert_eq!(of(&Method::PUT, "/responses/resp_1"), Err(Surface::WrongMethod("GET, DELETE")));
        assert_eq!(of(&Method::GET, "/responses/resp_1/cancel"), Err(Surface::WrongMethod("POST")));
        for path in ["/responses/", "/responses/../x", "/responses/a/b", "/responses/a%2fb", "/responses/.."] {
            assert_eq!(of(&Method::GET, path), Err(Surface::Unknown), "{path}");
        }
    }
}
