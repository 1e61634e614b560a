//! `multipart/form-data`, read while it passes: where the few small fields stand that the gateway acts on, and whether
//! every reader would understand the body alike.
//!
//! It is stricter than the standard, as what two readers can understand differently is refused: padding after a
//! boundary, a preamble, an epilogue, a field twice, a part with no or two names.

mod head;

use std::ops::Range;

use memchr::memmem::{self, Finder};

use self::head::{PartHead, boundary};

/// Bytes of one part's headers at most.
const MAX_HEAD_BYTES: usize = 8 << 10;

/// Bytes of a field's value at most, where it is one that is read.
const MAX_VALUE_BYTES: usize = 4 << 10;

/// Parts of one form at most, as Starlette has it.
const MAX_PARTS: usize = 1_000;

/// Bytes of the first file that are kept: a WAV header is shorter.
const FILE_HEAD_BYTES: usize = 64;

/// Fields that are read. A form that has one of them twice is refused.
const FIELDS: [&str; 4] = ["model", "stream", "n", "response_format"];

/// Why a form cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The `Content-Type` is another one, or has no (or no good) boundary.
    #[error("The request must be of type 'multipart/form-data; boundary=…'.")]
    NotAForm,
    /// The body is not what the `Content-Type` says.
    #[error("The multipart body is malformed: {0}.")]
    Malformed(&'static str),
    /// A field twice: two readers could each believe another one.
    #[error("The form has the field '{0}' twice. Send it once.")]
    Duplicate(&'static str),
    /// A field that is no text of a sensible length.
    #[error("Invalid value for '{0}': expected a short text.")]
    NotText(&'static str),
}

/// A field that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its value.
    pub value: String,
    /// The value's bytes in the body.
    pub span: Range<u64>,
}

/// Reads a form piece by piece, however it was cut on the way.
#[derive(Debug)]
pub struct FormReader {
    /// `\r\n--boundary`.
    delimiter: Finder<'static>,
    state: State,
    /// Bytes that came and are not understood yet.
    pending: Vec<u8>,
    /// Bytes of `pending` that are known not to hold what is looked for.
    scanned: usize,
    /// Bytes of the body before `pending`.
    at: u64,
    parts: usize,
    part: Part,
    fields: [Option<Field>; FIELDS.len()],
    file_head: Vec<u8>,
    file_bytes: u64,
}

/// Where in the form the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Start,
    /// Right after a boundary.
    Boundary,
    /// In a part's headers.
    Head,
    /// In a part's value.
    Value,
    /// After the last boundary.
    End,
}

/// The part that is being read.
#[derive(Debug, Default)]
struct Part {
    /// Which of [`FIELDS`] it is.
    field: Option<usize>,
    is_file: bool,
    value: Vec<u8>,
    start: u64,
}

// === impl FormReader ===

impl FormReader {
    /// A reader for a body of this `Content-Type`.
    pub fn new(content_type: &str) -> Result<Self, FormError> {
        let boundary = boundary(content_type).ok_or(FormError::NotAForm)?;
        Ok(Self {
            delimiter: Finder::new(&format!("\r\n--{boundary}")).into_owned(),
            state: State::Start,
            pending: Vec::new(),
            scanned: 0,
            at: 0,
            parts: 0,
            part: Part::default(),
            fields: [const { None }; FIELDS.len()],
            file_head: Vec::new(),
            file_bytes: 0,
        })
    }

    /// Takes the next bytes of the body.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FormError> {
        if self.pending.is_empty() {
            let used = self.read(bytes)?;
            self.pending.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let used = self.read(&pending)?;
        pending.drain(..used);
        self.pending = pending;
        Ok(())
    }

    /// The body has ended: refuses one that is not whole.
    pub fn finish(&self) -> Result<(), FormError> {
        if self.state == State::End { Ok(()) } else { Err(FormError::Malformed("it ends before its last boundary")) }
    }

    /// A field that was read, once its value has ended.
    pub fn field(&self, name: &str) -> Option<&Field> {
        FIELDS.iter().position(|field| *field == name).and_then(|index| self.fields[index].as_ref())
    }

    /// A part that has `name` as `value`, to stand at the start of the body.
    pub fn part(&self, name: &str, value: &str) -> Vec<u8> {
        let boundary = &self.delimiter.needle()[2..];
        let head = format!("\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        [boundary, head.as_bytes()].concat()
    }

    /// The first bytes of the first file, at most 64.
    pub fn file_head(&self) -> &[u8] {
        &self.file_head
    }

    /// Bytes of all files so far.
    pub const fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Reads as much of `input` as can be understood now; how much that was.
    fn read(&mut self, input: &[u8]) -> Result<usize, FormError> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            let step = match self.state {
                State::Start => self.start(rest)?,
                State::Boundary => self.boundary(rest)?,
                State::Head => self.head(rest)?,
                State::Value => self.value(rest)?,
                State::End => end(rest)?,
            };
            let Some((step, next)) = step else { return Ok(used) };
            self.scanned = if next == self.state { self.scanned.saturating_sub(step) } else { 0 };
            let is_over = next == self.state;
            self.state = next;
            self.at += step as u64;
            used += step;
            if is_over {
                return Ok(used);
            }
        }
    }

    fn start(&self, input: &[u8]) -> Step {
        let first = &self.delimiter.needle()[2..];
        let common = input.len().min(first.len());
        if input[..common] != first[..common] {
            return Err(FormError::Malformed("it does not begin with its boundary"));
        }
        Ok((common == first.len()).then_some((common, State::Boundary)))
    }

    fn boundary(&mut self, input: &[u8]) -> Step {
        match input {
            [] | [b'\r' | b'-'] => Ok(None),
            [b'\r', b'\n', ..] => {
                self.parts += 1;
                if self.parts > MAX_PARTS {
                    return Err(FormError::Malformed("it has too many parts"));
                }
                Ok(Some((2, State::Head)))
            }
            [b'-', b'-', ..] if self.parts > 0 => Ok(Some((2, State::End))),
            _ => Err(FormError::Malformed("something stands right after a boundary")),
        }
    }

    fn head(&mut self, input: &[u8]) -> Step {
        let Some(found) = memmem::find(&input[self.scanned..], b"\r\n\r\n") else {
            if input.len() > MAX_HEAD_BYTES {
                return Err(FormError::Malformed("a part has more headers than fit"));
            }
            // The last three bytes can be the start of what is looked for.
            self.scanned = input.len().saturating_sub(3);
            return Ok(None);
        };
        let end = self.scanned + found;
        if end > MAX_HEAD_BYTES {
            return Err(FormError::Malformed("a part has more headers than fit"));
        }
        self.begin(&PartHead::parse(&input[..end])?, self.at + end as u64 + 4)?;
        Ok(Some((end + 4, State::Value)))
    }

    fn begin(&mut self, head: &PartHead, start: u64) -> Result<(), FormError> {
        let field = FIELDS.iter().position(|field| *field == head.name);
        if let Some(index) = field {
            if self.fields[index].is_some() {
                return Err(FormError::Duplicate(FIELDS[index]));
            }
            if head.is_file || head.is_encoded {
                return Err(FormError::NotText(FIELDS[index]));
            }
        }
        self.part = Part { field, is_file: head.is_file, value: Vec::new(), start };
        Ok(())
    }

    fn value(&mut self, input: &[u8]) -> Step {
        if let Some(end) = self.delimiter.find(input) {
            self.take(&input[..end])?;
            self.close()?;
            return Ok(Some((end + self.delimiter.needle().len(), State::Boundary)));
        }
        let kept = overlap(input, self.delimiter.needle());
        let passed = input.len() - kept;
        self.take(&input[..passed])?;
        Ok((passed > 0).then_some((passed, State::Value)))
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), FormError> {
        if let Some(index) = self.part.field {
            if self.part.value.len() + bytes.len() > MAX_VALUE_BYTES {
                return Err(FormError::NotText(FIELDS[index]));
            }
            self.part.value.extend_from_slice(bytes);
        }
        if self.part.is_file {
            self.file_bytes += bytes.len() as u64;
            let room = FILE_HEAD_BYTES - self.file_head.len();
            self.file_head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), FormError> {
        let part = std::mem::take(&mut self.part);
        if let Some(index) = part.field {
            let span = part.start..part.start + part.value.len() as u64;
            let value = String::from_utf8(part.value).map_err(|_| FormError::NotText(FIELDS[index]))?;
            self.fields[index] = Some(Field { value, span });
        }
        Ok(())
    }
}

/// How far the reader comes, and what it is in then; none if it needs more bytes.
type Step = Result<Option<(usize, State)>, FormError>;

/// After the last boundary only line breaks may come.
fn end(input: &[u8]) -> Step {
    if input.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        Ok((!input.is_empty()).then_some((input.len(), State::End)))
    } else {
        Err(FormError::Malformed("something follows its last boundary"))
    }
}

/// Bytes at the end of `input` that can be the start of `needle`.
fn overlap(input: &[u8], needle: &[u8]) -> usize {
    let longest = input.len().min(needle.len() - 1);
    (1..=longest).rev().find(|length| needle.starts_with(&input[input.len() - length..])).unwrap_or(0)
}

#[cfg(test)]
mod tests;
