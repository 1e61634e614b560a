use bytes::{Bytes, BytesMut};
use memchr::memrchr;
use wire::sse::{Piece, Splitter, data};
use wire::{Chunk, Usage, json_string};

/// What a stream's events become on their way, and what they tell.
#[derive(Debug)]
pub(super) struct Rewrite {
    splitter: Splitter,
    /// The public name as JSON, where the engine knows the model by another one.
    public_model: Option<Bytes>,
    /// Whether usage was asked for on our own account.
    hides_usage: bool,
    /// The newest usage that the engine reported.
    pub(super) usage: Option<Usage>,
    /// How far the answer is.
    stage: Stage,
    /// Whether the engine reported an error in band.
    pub(super) has_error: bool,
    /// The chunk that told why the answer ended, while our own usage chunk is still to come: vLLM names itself in
    /// whichever comes last, and the client shall see what it would have seen without us.
    held: Option<Bytes>,
}

/// What one event is to the client.
enum Seen {
    /// It goes on.
    Event(Bytes),
    /// It tells why the answer ended.
    Finish(Bytes),
    /// It was asked for on our own account; the engine's name in it, as JSON.
    OurUsage(Option<Bytes>),
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// More has to come.
    Open,
    /// A chunk told why the answer ended.
    Finished,
    /// `[DONE]` came.
    Done,
}

/// What goes on to the client of one frame.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) bytes: Bytes,
    /// Tokens in it: chunks with content.
    pub(super) tokens: u64,
}

const DONE: &[u8] = b"[DONE]";

// === impl Rewrite ===

impl Rewrite {
    pub(super) fn new(public_model: Option<&str>, hides_usage: bool) -> Self {
        Self {
            splitter: Splitter::default(),
            public_model: public_model.map(json_string),
            hides_usage,
            usage: None,
            stage: Stage::Open,
            has_error: false,
            held: None,
        }
    }

    /// Takes the next bytes of the engine; gives those that go on now. The start of an event whose end has not
    /// come yet is held back, so that what goes on are whole events.
    pub(super) fn push(&mut self, frame: &Bytes) -> Passed {
        let mut splitter = std::mem::take(&mut self.splitter);
        let starts_fresh = !splitter.is_inside_event();
        let (mut tokens, mut is_altered, mut pieces) = (0, false, Pieces::default());
        splitter.push(frame.clone(), |piece| match piece {
            Piece::Part(bytes) => {
                is_altered |= self.held.is_some();
                pieces.extend(self.held.take());
                pieces.add(bytes);
            }
            Piece::Event(event) => is_altered |= self.event(&event, &mut tokens, &mut pieces),
        });
        self.splitter = splitter;
        // Untouched events of one frame are contiguous in it: pass them on as the one slice they are.
        let bytes = if starts_fresh && !is_altered { frame.slice(..pieces.length) } else { pieces.join() };
        Passed { bytes, tokens }
    }

    /// Whether `[DONE]` came.
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// The engine has ended the stream: what was held back of its last event, or none if the answer was cut. A
    /// stream without `[DONE]` must at least have told why it ended.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        let rest = self.splitter.finish().unwrap_or_default();
        if data(&rest).is_some_and(|payload| payload.as_ref() == DONE) {
            self.stage = Stage::Done;
        }
        let has_ended = self.is_done() || (rest.is_empty() && (self.stage == Stage::Finished || self.has_error));
        has_ended.then(|| [self.take_held(), rest].concat().into())
    }

    /// What is still held back for the client, before the stream ends in another way.
    pub(super) fn take_held(&mut self) -> Bytes {
        self.held.take().unwrap_or_default()
    }

    /// Adds what goes on of one event; whether that is anything but the event itself.
    fn event(&mut self, event: &Bytes, tokens: &mut u64, pieces: &mut Pieces) -> bool {
        let seen = self.see(event, tokens);
        let released = match (self.held.take(), &seen) {
            (Some(held), Seen::OurUsage(Some(name))) => Some(named(&held, name)),
            (held, _) => held,
        };
        let is_altered = released.is_some();
        pieces.extend(released);
        match seen {
            Seen::OurUsage(_) => true,
            Seen::Finish(bytes) if self.hides_usage => {
                self.held = Some(bytes);
                true
            }
            Seen::Event(bytes) | Seen::Finish(bytes) => {
                let is_same = bytes == *event;
                pieces.add(bytes);
                is_altered || !is_same
            }
        }
    }

    /// Reads one event, and gives it the public name.
    fn see(&mut self, event: &Bytes, tokens: &mut u64) -> Seen {
        let Some(payload) = data(event) else { return Seen::Event(event.clone()) };
        if payload.as_ref() == DONE {
            self.stage = Stage::Done;
            return Seen::Event(event.clone());
        }
        *tokens += u64::from(Chunk::has_content(&payload));
        let kind = if Chunk::finishes(&payload) {
            self.stage = self.stage.max(Stage::Finished);
            Seen::Finish
        } else {
            Seen::Event
        };
        if self.public_model.is_none() && !Chunk::may_matter(&payload) {
            return kind(event.clone());
        }
        let Some(chunk) = Chunk::parse(&payload) else { return kind(event.clone()) };
        self.usage = chunk.usage.or(self.usage);
        self.has_error |= chunk.is_error;
        if self.hides_usage && chunk.is_usage_only {
            return Seen::OurUsage(chunk.fingerprint.map(|span| payload.slice(span)));
        }
        match (&self.public_model, chunk.model) {
            (Some(public), Some(span)) if payload[span.clone()] != **public => {
                // The payload is a slice of the event, so the distance of the addresses is the offset.
                let offset = payload.as_ptr() as usize - event.as_ptr() as usize;
                let (start, end) = (offset + span.start, offset + span.end);
                kind([&event[..start], public, &event[end..]].concat().into())
            }
            _ => kind(event.clone()),
        }
    }
}

/// A chunk with the engine's name for itself as last member.
fn named(event: &Bytes, name: &Bytes) -> Bytes {
    match memrchr(b'}', event) {
        Some(end) => [&event[..end], br#","system_fingerprint":"#, name, &event[end..]].concat().into(),
        None => event.clone(),
    }
}

/// Pieces that go on together.
#[derive(Default)]
struct Pieces {
    pieces: Vec<Bytes>,
    length: usize,
}

// === impl Pieces ===

impl Pieces {
    fn add(&mut self, piece: Bytes) {
        self.length += piece.len();
        self.pieces.push(piece);
    }

    fn extend(&mut self, piece: Option<Bytes>) {
        if let Some(piece) = piece {
            self.add(piece);
        }
    }

    fn join(mut self) -> Bytes {
        if self.pieces.len() < 2 {
            return self.pieces.pop().unwrap_or_default();
        }
        let mut all = BytesMut::with_capacity(self.length);
        for piece in &self.pieces {
            all.extend_from_slice(piece);
        }
        all.freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = concat!(
        "data: {\"model\":\"up\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"model\":\"up\",\"choices\":[{\"delta\":{\"content\":\"Hi \\\"model\\\":\\\"up\\\"\"}}]}\n\n",
        ": ping\n\n",
        "data: {\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1}}\n\n",
        "data: [DONE]\n\n",
    );

    fn run(rewrite: &mut Rewrite, frames: &[&str]) -> (String, u64) {
        let (mut text, mut tokens) = (String::new(), 0);
        for frame in frames {
            let passed = rewrite.push(&Bytes::copy_from_slice(frame.as_bytes()));
            text += std::str::from_utf8(&passed.bytes).unwrap();
            tokens += passed.tokens;
        }
        (text, tokens)
    }

    #[test]
    fn nothing_changes_that_need_not() {
        let mut rewrite = Rewrite::new(None, false);
        assert_eq!(run(&mut rewrite, &[STREAM]), (STREAM.to_owned(), 1));
        assert!(rewrite.is_done() && !rewrite.has_error);
        assert_eq!(rewrite.finish().unwrap(), "");
        assert_eq!(rewrite.usage.unwrap().prompt_tokens, 2);
    }

    #[test]
    fn an_untouched_frame_is_not_copied() {
        let frame = Bytes::from_static(STREAM.as_bytes());
        let passed = Rewrite::new(None, false).push(&frame);
        assert_eq!(passed.bytes.as_ptr(), frame.as_ptr());
    }

    #[test]
    fn a_stream_that_just_ends_was_cut() {
        let ends = |stream: &str| {
            let mut rewrite = Rewrite::new(None, false);
            run(&mut rewrite, &[stream]);
            rewrite.finish().map(|rest| std::str::from_utf8(&rest).unwrap().to_owned())
        };
        let content = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n";
        let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        assert_eq!(ends(content), None);
        assert_eq!(ends(&format!("{content}{finish}")).as_deref(), Some(""));
        assert_eq!(ends(&format!("{content}data: [DONE]\n")).as_deref(), Some("data: [DONE]\n"));
        assert_eq!(ends(&format!("{content}{finish}data: {{")), None);
    }

    #[test]
    fn the_engine_s_name_stands_where_it_would_without_us() {
        let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":2},\"system_fingerprint\":\"v1\"}\n\n";
        let done = "data: [DONE]\n\n";
        let stream = format!("{finish}{usage}{done}");
        let without_us = finish.replace("}]}", "}],\"system_fingerprint\":\"v1\"}") + done;
        assert_eq!(run(&mut Rewrite::new(None, true), &[&stream]).0, without_us);
        assert_eq!(run(&mut Rewrite::new(None, true), &[finish, usage, done]).0, without_us);
        assert_eq!(run(&mut Rewrite::new(None, false), &[&stream]).0, stream);
        assert_eq!(run(&mut Rewrite::new(None, true), &[finish, done]).0, format!("{finish}{done}"));

        let mut cut = Rewrite::new(None, true);
        assert_eq!((run(&mut cut, &[finish]).0, cut.finish().unwrap()), (String::new(), Bytes::from(finish)));
    }

    #[test]
    fn in_band_errors_are_seen() {
        let mut rewrite = Rewrite::new(None, true);
        run(&mut rewrite, &["data: {\"error\": {\"message\": \"dead\"}}\n\n"]);
        assert!(rewrite.has_error);
    }

    proptest! {
        #[test]
        fn the_name_is_spliced_and_our_usage_hidden_however_it_is_framed(
            cuts in prop::collection::vec(0..STREAM.len(), 0..8),
        ) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut frames = Vec::new();
            let mut at = 0;
            for cut in cuts.into_iter().chain([STREAM.len()]) {
                frames.push(&STREAM[at..cut]);
                at = cut;
            }
            let mut rewrite = Rewrite::new(Some("public/\"x\""), true);
            let (text, tokens) = run(&mut rewrite, &frames);
            let expected: String = STREAM.split_inclusive("\n\n").filter(|e| !e.contains("\"usage\""))
                .map(|e| e.replacen("\"model\":\"up\"", "\"model\":\"public/\\\"x\\\"\"", 1)).collect();
            prop_assert_eq!((text, tokens), (expected, 1));
            prop_assert_eq!(rewrite.usage.unwrap().completion_tokens, 1);
        }
    }
}
