//! Server-sent events, split but not rewritten: what goes on to the client are slices of what came.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;

/// Bytes of one event held at most; a longer one passes in pieces, unread.
pub const MAX_EVENT_BYTES: usize = 4 << 20;

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// One whole event with the empty line that ends it.
    Event(Bytes),
    /// A part of an event that is too long to be held.
    Part(Bytes),
}

/// Cuts a stream of bytes into events, however the bytes were framed on the way.
///
/// Lines end with `\n` or `\r\n`. (The standard also allows a lone `\r`; no engine sends it, and such a
/// stream passes as parts.) An event that lies whole in one frame is a slice of it: nothing is copied.
#[derive(Debug, Default)]
pub struct Splitter {
    /// Start of an event whose end has not come yet.
    pending: BytesMut,
    /// Bytes of `pending` that are known to hold no end of an event.
    scanned: usize,
    /// Whether we are in the middle of an event that passes in parts.
    passing: bool,
}

// === impl Piece ===

impl Piece {
    /// The bytes to send on.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Event(bytes) | Self::Part(bytes) => bytes,
        }
    }
}

// === impl Splitter ===

impl Splitter {
    /// Takes the next bytes; calls `emit` for each piece that is complete now.
    pub fn push(&mut self, mut frame: Bytes, mut emit: impl FnMut(Piece)) {
        if !self.pending.is_empty() {
            self.pending.extend_from_slice(&frame);
            match event_end(&self.pending, self.scanned) {
                Some(end) => {
                    let event = self.pending.split_to(end).freeze();
                    frame = std::mem::take(&mut self.pending).freeze();
                    self.emit_event(event, &mut emit);
                }
                None => return self.hold_or_pass(&mut emit),
            }
        }
        while let Some(end) = event_end(&frame, 0) {
            let event = frame.split_to(end);
            self.emit_event(event, &mut emit);
        }
        if !frame.is_empty() {
            self.pending.extend_from_slice(&frame);
            self.hold_or_pass(&mut emit);
        }
    }

    /// What is left at the end of the stream: the start of an event that never ended.
    pub fn finish(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.pending).freeze();
        (!rest.is_empty()).then_some(rest)
    }

    /// Whether an event has begun and not ended.
    pub fn is_inside_event(&self) -> bool {
        self.passing || !self.pending.is_empty()
    }

    fn emit_event(&mut self, event: Bytes, emit: &mut impl FnMut(Piece)) {
        self.scanned = 0;
        let whole = !std::mem::take(&mut self.passing);
        emit(if whole { Piece::Event(event) } else { Piece::Part(event) });
    }

    fn hold_or_pass(&mut self, emit: &mut impl FnMut(Piece)) {
        // The last three bytes can be the start of `\r\n\r\n`'s end: look at them again.
        self.scanned = self.pending.len().saturating_sub(3);
        if self.passing || self.pending.len() > MAX_EVENT_BYTES {
            self.passing = true;
            let passed = self.pending.split_to(self.scanned).freeze();
            self.scanned = 0;
            if !passed.is_empty() {
                emit(Piece::Part(passed));
            }
        }
    }
}

/// The payload of an event's only `data:` line; none for comments, and for events of several data lines,
/// which no engine's JSON stream has.
pub fn data(event: &Bytes) -> Option<Bytes> {
    let mut payload = None;
    let mut rest = event.clone();
    while !rest.is_empty() {
        let end = memchr(b'\n', &rest).unwrap_or(rest.len());
        let mut line = rest.split_to(end);
        rest.advance(usize::from(!rest.is_empty()));
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        if line.starts_with(b"data:") {
            line.advance(5);
            if line.starts_with(b" ") {
                line.advance(1);
            }
            if payload.replace(line).is_some() {
                return None;
            }
        }
    }
    payload
}

/// Index after the empty line that ends the first event, looking from `from` on.
fn event_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(newline) = memchr(b'\n', &bytes[at..]) {
        let next = at + newline + 1;
        match &bytes[next..] {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => at = next,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(frames: &[&[u8]]) -> (Vec<Piece>, Option<Bytes>) {
        let (mut splitter, mut pieces) = (Splitter::default(), Vec::new());
        for frame in frames {
            splitter.push(Bytes::copy_from_slice(frame), |piece| pieces.push(piece));
        }
        (pieces, splitter.finish())
    }

    #[test]
    fn events_are_slices_with_their_end() {
        let (pieces, rest) = split(&[b"data: 1\n\ndata: 2\r\n\r\nda", b"ta: 3\n", b"\n: x\n\nrest"]);
        let texts: Vec<_> = pieces.iter().map(|piece| piece.bytes().as_ref()).collect();
        assert_eq!(texts, [b"data: 1\n\n".as_slice(), b"data: 2\r\n\r\n", b"data: 3\n\n", b": x\n\n"]);
        assert_eq!(rest.unwrap(), "rest");
    }

    #[test]
    fn data_is_the_payload_of_the_only_data_line() {
        let of = |event: &'static str| data(&Bytes::from_static(event.as_bytes()));
        assert_eq!(of("data: {}\n\n").unwrap(), "{}");
        assert_eq!(of("event: x\r\ndata:[DONE]\r\n\r\n").unwrap(), "[DONE]");
        assert_eq!(of(": ping\n\n"), None);
        assert_eq!(of("data: a\ndata: b\n\n"), None);
    }

    #[test]
    fn an_endless_event_passes_in_parts_and_is_not_held() {
        let (mut splitter, mut seen) = (Splitter::default(), 0);
        for _ in 0..(3 * MAX_EVENT_BYTES / 65_536) {
            splitter.push(Bytes::from(vec![b'x'; 65_536]), |piece| {
                assert!(matches!(piece, Piece::Part(_)));
                seen += piece.bytes().len();
            });
            assert!(splitter.pending.len() <= MAX_EVENT_BYTES + 65_536);
        }
        assert!(seen > MAX_EVENT_BYTES);
        let mut after = Vec::new();
        splitter.push(Bytes::from_static(b"\n\ndata: 1\n\n"), |piece| after.push(piece));
        assert_eq!(after.pop(), Some(Piece::Event(Bytes::from_static(b"data: 1\n\n"))));
    }

    proptest! {
        #[test]
        fn any_chunking_yields_the_same_events(
            text in "(data: [a-z\\r\\n]{0,8}|:[a-z]{0,3}|\\n|\\r\\n|\\n\\n|\\r\\n\\r\\n){0,20}",
            cuts in prop::collection::vec(0_usize..200, 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut frames = Vec::new();
            let mut at = 0;
            for cut in cuts {
                frames.push(&bytes[at..cut]);
                at = cut;
            }
            frames.push(&bytes[at..]);
            prop_assert_eq!(split(&frames), split(&[bytes]));
        }
    }
}
