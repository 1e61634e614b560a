use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memrchr;
use wire::sse::{Piece, Splitter, data};
use wire::{Chunk, TypedEvent, Usage, json_string};

use super::Report;
use crate::surface::Events;

/// What a stream's events become on their way, and what they tell.
#[derive(Debug)]
pub(super) struct Rewrite {
    splitter: Splitter,
    events: Events,
    /// The public name as JSON, where the engine knows the model by another one.
    public_model: Option<Bytes>,
    /// Whether usage was asked for on our own account.
    hides_usage: bool,
    /// The newest usage that the engine reported.
    pub(super) usage: Option<Usage>,
    /// Whole images that came.
    images: u64,
    /// The id of the response, as JSON.
    pub(super) response_id: Option<Bytes>,
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
    /// The answer may end here.
    Finished,
    /// `[DONE]` came, or an event after which none follows.
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
    pub(super) fn new(events: Events, public_model: Option<&str>, hides_usage: bool) -> Self {
        Self {
            splitter: Splitter::default(),
            events,
            public_model: public_model.map(json_string),
            hides_usage,
            usage: None,
            images: 0,
            response_id: None,
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

    /// What the engine reported so far.
    pub(super) fn report(&self) -> Report {
        let images = (self.images > 0).then_some(self.images);
        Report { usage: self.usage, images, ..Report::default() }
    }

    /// Whether the end of the answer came.
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
        let is_typed = match self.events {
            Events::Chunks => false,
            Events::Typed => true,
            Events::Mixed => TypedEvent::is_typed(&payload),
        };
        if is_typed {
            return self.see_typed(event, &payload, tokens);
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
        kind(self.renamed(event, &payload, chunk.model))
    }

    /// Reads an event that has a type.
    fn see_typed(&mut self, event: &Bytes, payload: &Bytes, tokens: &mut u64) -> Seen {
        *tokens += u64::from(TypedEvent::has_content(payload));
        let parsed = if TypedEvent::may_matter(payload) { TypedEvent::parse(payload) } else { None };
        let Some(typed) = parsed else { return Seen::Event(event.clone()) };
        self.usage = typed.usage.or(self.usage);
        self.has_error |= typed.is_error;
        if self.response_id.is_none() {
            // A copy: the event is a slice of a buffer that is larger.
            self.response_id = typed.id.clone().map(|span| Bytes::copy_from_slice(&payload[span]));
        }
        self.images += u64::from(typed.is_image);
        let stage = match typed {
            TypedEvent { is_last: true, .. } => Stage::Done,
            TypedEvent { is_image: true, .. } => Stage::Finished,
            _ => Stage::Open,
        };
        self.stage = self.stage.max(stage);
        Seen::Event(self.renamed(event, payload, typed.model))
    }

    /// `event` with the public name at `span` of its payload, where that is another one.
    fn renamed(&self, event: &Bytes, payload: &Bytes, span: Option<Range<usize>>) -> Bytes {
        match (&self.public_model, span) {
            (Some(public), Some(span)) if payload[span.clone()] != **public => {
                // The payload is a slice of the event, so the distance of the addresses is the offset.
                let offset = payload.as_ptr() as usize - event.as_ptr() as usize;
                let (start, end) = (offset + span.start, offset + span.end);
                [&event[..start], public, &event[end..]].concat().into()
            }
            _ => event.clone(),
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
        let mut rewrite = Rewrite::new(Events::Chunks, None, false);
        assert_eq!(run(&mut rewrite, &[STREAM]), (STREAM.to_owned(), 1));
        assert!(rewrite.is_done() && !rewrite.has_error);
        assert_eq!(rewrite.finish().unwrap(), "");
        assert_eq!(rewrite.usage.unwrap().prompt_tokens, 2);
    }

    #[test]
    fn an_untouched_frame_is_not_copied() {
        let frame = Bytes::from_static(STREAM.as_bytes());
        let passed = Rewrite::new(Events::Chunks, None, false).push(&frame);
        assert_eq!(passed.bytes.as_ptr(), frame.as_ptr());
    }

    #[test]
    fn a_stream_that_just_ends_was_cut() {
        let ends = |stream: &str| {
            let mut rewrite = Rewrite::new(Events::Chunks, None, false);
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
        assert_eq!(run(&mut Rewrite::new(Events::Chunks, None, true), &[&stream]).0, without_us);
        assert_eq!(run(&mut Rewrite::new(Events::Chunks, None, true), &[finish, usage, done]).0, without_us);
        assert_eq!(run(&mut Rewrite::new(Events::Chunks, None, false), &[&stream]).0, stream);
        assert_eq!(run(&mut Rewrite::new(Events::Chunks, None, true), &[finish, done]).0, format!("{finish}{done}"));

        let mut cut = Rewrite::new(Events::Chunks, None, true);
        assert_eq!((run(&mut cut, &[finish]).0, cut.finish().unwrap()), (String::new(), Bytes::from(finish)));
    }

    #[test]
    fn in_band_errors_are_seen() {
        let mut rewrite = Rewrite::new(Events::Chunks, None, true);
        run(&mut rewrite, &["data: {\"error\": {\"message\": \"dead\"}}\n\n"]);
        assert!(rewrite.has_error);
    }

    #[test]
    fn typed_events_get_the_public_name_and_tell_their_end() {
        let stream = concat!(
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"up\",\"usage\":null}}\n\n",
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"model: up\"}\n\n",
            "data: {\"type\":\"response.completed\",\"response\":{\"model\":\"up\",\"usage\":{\"input_tokens\":2,\"output_tokens\":1}}}\n\n",
        );
        let mut rewrite = Rewrite::new(Events::Typed, Some("m"), false);
        assert_eq!(run(&mut rewrite, &[stream]), (stream.replace("\"model\":\"up\"", "\"model\":\"m\""), 1));
        assert!(rewrite.is_done() && !rewrite.has_error);
        assert_eq!(rewrite.report().usage.unwrap().prompt_tokens, 2);

        let cut = &stream[..stream.len() - 20];
        let mut rewrite = Rewrite::new(Events::Typed, None, false);
        run(&mut rewrite, &[cut]);
        assert_eq!(rewrite.finish(), None);
    }

    #[test]
    fn streamed_images_are_counted() {
        let image = "data: {\"type\":\"image_generation.completed\",\"b64_json\":\"\"}\n\n";
        let mut rewrite = Rewrite::new(Events::Typed, None, false);
        run(&mut rewrite, &[image, "data: {\"type\":\"image_generation.partial_image\"}\n\n", image]);
        assert_eq!((rewrite.report().images, rewrite.is_done()), (Some(2), false));
        assert_eq!(rewrite.finish().as_deref(), Some(&b""[..]));
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
            let mut rewrite = Rewrite::new(Events::Chunks, Some("public/\"x\""), true);
            let (text, tokens) = run(&mut rewrite, &frames);
            let expected: String = STREAM.split_inclusive("\n\n").filter(|e| !e.contains("\"usage\""))
                .map(|e| e.replacen("\"model\":\"up\"", "\"model\":\"public/\\\"x\\\"\"", 1)).collect();
            prop_assert_eq!((text, tokens), (expected, 1));
            prop_assert_eq!(rewrite.usage.unwrap().completion_tokens, 1);
        }
    }
}
