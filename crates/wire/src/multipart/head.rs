use super::FormError;

/// Bytes of a boundary at most. The standard allows 70; some clients make longer ones.
const MAX_BOUNDARY: usize = 200;

/// What a part's headers say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartHead {
    /// The field's name.
    pub(super) name: String,
    /// Whether it has a file name.
    pub(super) is_file: bool,
    /// Whether its bytes are not the value itself.
    pub(super) is_encoded: bool,
}

// === impl PartHead ===

impl PartHead {
    /// Reads the headers of a part, without the empty line after them.
    pub(super) fn parse(head: &[u8]) -> Result<Self, FormError> {
        let malformed = FormError::Malformed;
        let head = std::str::from_utf8(head).map_err(|_| malformed("a part's headers are not UTF-8"))?;
        let mut disposition = None;
        let mut is_encoded = false;
        for line in head.split("\r\n") {
            let (name, value) = line.split_once(':').ok_or(malformed("a part's header has no colon"))?;
            let is_token =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !is_token || value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
                return Err(malformed("a part's header is no header"));
            }
            if name.eq_ignore_ascii_case("content-disposition") && disposition.replace(value).is_some() {
                return Err(malformed("a part has two dispositions"));
            }
            is_encoded |= name.eq_ignore_ascii_case("content-transfer-encoding")
                && !["binary", "8bit", "7bit"].iter().any(|same| value.trim().eq_ignore_ascii_case(same));
            is_encoded |= name.eq_ignore_ascii_case("content-type") && has_other_charset(value);
        }
        let (name, is_file) = read_disposition(disposition.unwrap_or_default())?;
        Ok(Self { name, is_file, is_encoded })
    }
}

/// The boundary in a `Content-Type` of `multipart/form-data`.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") || has_other_charset(content_type) {
        return None;
    }
    let parameters = parameters(rest)?;
    // With `boundary*0` and the like, which some readers put together.
    let is_boundary = |(name, _): &(String, String)| name.to_ascii_lowercase().starts_with("boundary");
    let mut boundaries = parameters.into_iter().filter(is_boundary);
    let (name, boundary) = boundaries.next()?;
    let is_one = boundaries.next().is_none() && name.len() == "boundary".len();
    let is_visible = boundary.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && !boundary.ends_with(' ');
    (is_one && is_visible && (1..=MAX_BOUNDARY).contains(&boundary.len())).then_some(boundary)
}

/// Name of the field, and whether it is a file.
fn read_disposition(value: &str) -> Result<(String, bool), FormError> {
    let unnamed = || FormError::Malformed("a part has no name");
    let (kind, rest) = value.split_once(';').ok_or_else(unnamed)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(FormError::Malformed("a part is no form data"));
    }
    let parameters = parameters(rest).ok_or(FormError::Malformed("a part's disposition cannot be read"))?;
    let mut name = None;
    let mut is_file = false;
    for (parameter, value) in parameters {
        let parameter = parameter.to_ascii_lowercase();
        match parameter.as_str() {
            "name" if name.is_some() => return Err(FormError::Malformed("a part has two names")),
            // A reader that looks for `name=` and nothing else can find one in what stands before.
            "name" if is_file => return Err(FormError::Malformed("a part's name is not what comes first")),
            "name" => name = Some(value),
            // In another charset, or in pieces: some readers put it together, others do not.
            _ if parameter.starts_with("name*") => return Err(FormError::Malformed("a part has an extended name")),
            _ if !parameter.starts_with("filename") => {
                return Err(FormError::Malformed("a part's disposition has something besides name and filename"));
            }
            _ if names_within(&value) => return Err(FormError::Malformed("a part's file name holds another name")),
            _ => is_file = true,
        }
    }
    let name = name.ok_or_else(unnamed)?;
    // A reader that undoes such an escape, or knows single quotes, sees another name.
    if name.contains(['\\', '%', '"', '\'']) {
        return Err(FormError::Malformed("a part's name has an escape"));
    }
    Ok((name, is_file))
}

/// Whether a reader that cuts at every semicolon, in quotes or not, finds a `name` in `value`.
fn names_within(value: &str) -> bool {
    let is_name = |piece: &str| piece.trim_start().to_ascii_lowercase().starts_with("name");
    value.split(';').skip(1).any(is_name)
}

/// `a=b; c="d"`; none if it is anything else.
fn parameters(mut text: &str) -> Option<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    loop {
        text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Some(parameters);
        }
        let (name, rest) = text.split_once('=')?;
        let (value, rest) =
            if let Some(quoted) = rest.strip_prefix('"') { quoted_end(quoted)? } else { bare_end(rest) };
        parameters.push((name.trim().to_owned(), value.to_owned()));
        let rest = rest.trim_start_matches([' ', '\t']);
        text = if rest.is_empty() { rest } else { rest.strip_prefix(';')? };
    }
}

/// A quoted value, escapes as they are, and what follows its closing quote.
fn quoted_end(text: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return Some((&text[..at], &text[at + 1..])),
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

fn bare_end(text: &str) -> (&str, &str) {
    let end = text.find(';').unwrap_or(text.len());
    (text[..end].trim(), &text[end..])
}

/// Whether a type says that its text is not UTF-8.
fn has_other_charset(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let charset = value.split_once("charset=").map(|(_, rest)| rest.trim_start_matches('"'));
    charset.is_some_and(|charset| !["utf-8", "utf8", "us-ascii"].iter().any(|same| charset.starts_with(same)))
}
