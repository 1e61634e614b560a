use std::collections::BTreeMap;

use bytes::Bytes;
use memchr::memmem;

use crate::error::ApiError;
use crate::payload::Raw;

/// Parts of a form, at most.
const MAX_PARTS: usize = 64;

/// The fields of a `multipart/form-data` body; of several with one name, the last.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, Bytes>);

// === impl Form ===

impl Form {
    pub(super) fn read(raw: &Raw) -> Result<Self, ApiError> {
        let wrong = || ApiError::invalid("1 validation error:\n  There was an error parsing the body", Some("body"));
        let boundary = boundary(&raw.content_type).ok_or_else(wrong)?;
        let mark = format!("--{boundary}");
        let starts: Vec<usize> = memmem::find_iter(&raw.bytes, &mark).take(MAX_PARTS + 1).collect();
        let mut fields = BTreeMap::new();
        for pair in starts.windows(2) {
            let part = raw.bytes.slice(pair[0] + mark.len()..pair[1]);
            let (name, value) = field(&part).ok_or_else(wrong)?;
            fields.insert(name, value);
        }
        if fields.is_empty() { Err(wrong()) } else { Ok(Self(fields)) }
    }

    /// A field's bytes, which must be there.
    pub(super) fn bytes(&self, name: &str) -> Result<&Bytes, ApiError> {
        self.0.get(name).ok_or_else(|| ApiError::missing(name))
    }

    /// A field as text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

fn boundary(content_type: &str) -> Option<&str> {
    let parameters = content_type.strip_prefix("multipart/form-data")?;
    let boundary = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    Some(boundary.trim_matches('"')).filter(|boundary| !boundary.is_empty())
}

/// Name and value of one part: `\r\n`, headers, an empty line, the value, `\r\n`.
fn field(part: &Bytes) -> Option<(String, Bytes)> {
    let end_of_headers = memmem::find(part, b"\r\n\r\n")?;
    let headers = std::str::from_utf8(&part[..end_of_headers]).ok()?;
    let parameters = headers.split(['\r', '\n', ';']);
    let name = parameters.map(str::trim).find_map(|parameter| parameter.strip_prefix("name="))?;
    let end = part.len().checked_sub(2).filter(|end| part[*end..] == *b"\r\n")?;
    let value = part.slice((end_of_headers + 4).min(end)..end);
    Some((name.trim_matches('"').to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str) -> Result<Form, ApiError> {
        let content_type = "multipart/form-data; boundary=\"b1\"".to_owned();
        Form::read(&Raw { content_type, bytes: Bytes::copy_from_slice(body.as_bytes()) })
    }

    #[test]
    fn fields_and_files_are_found() {
        let body = "--b1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nsim\r\n--b1\r\nContent-Disposition: \
                    form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n\r\n\r\n--b1--\r\n";
        let form = form(body).unwrap();
        assert_eq!(form.text("model"), Some("sim"));
        assert_eq!(form.bytes("file").unwrap().as_ref(), b"RIFF\r\n\r\n");
        assert!(form.bytes("prompt").is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        for body in ["", "--b1", "--b1--b1", "--b1\r\n\r\n--b1", "--b1\r\nname=\"a\"\r\n\r\n--b1"] {
            let _read_or_refused = form(body);
        }
        assert!(form("").is_err());
        assert!(form("--b1\r\nno name\r\n\r\nx\r\n--b1--").is_err());
    }
}
