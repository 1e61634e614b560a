use super::Plan;
use super::shape::{Chunk, ChunkChoice, FINGERPRINT};
use crate::api::logprobs::TextLogprobs;
use crate::api::usage::StreamUsage;
use crate::deliver::{Event, Script};
use crate::metrics::Finish;

/// The events of a text completion: each answer's tokens and end, the usage.
pub(super) struct CompletionScript {
    plan: Plan,
    step: Step,
    sent: u32,
    /// Characters of the current answer sent.
    offset: usize,
}

#[derive(Clone, Copy)]
enum Step {
    /// A token of an answer.
    Token(usize, u32),
    /// The end of an answer that stopped by itself.
    End(usize),
    Usage,
    Over,
}

// === impl CompletionScript ===

impl CompletionScript {
    pub(super) fn new(plan: Plan) -> Self {
        let mut script = Self { plan, step: Step::Usage, sent: 0, offset: 0 };
        script.begin(0);
        script
    }

    /// Goes on to an answer, or past the last.
    fn begin(&mut self, choice: usize) {
        self.offset = 0;
        self.step = match self.plan.replies.get(choice) {
            None => Step::Usage,
            Some(reply) if reply.text.len() == 0 => Step::End(choice),
            Some(_) => Step::Token(choice, 0),
        };
    }

    fn event(&self, part: ChunkChoice, tokens: u32) -> Event {
        let ends = part.finish_reason.is_some();
        let mut chunk = Chunk::new(&self.plan, vec![part]);
        if self.plan.options.continuous_usage_stats {
            chunk.usage = Some(StreamUsage::last(self.plan.prompt_tokens, self.sent));
        }
        chunk.system_fingerprint = (ends && !self.plan.options.include_usage).then_some(FINGERPRINT);
        Event::new(chunk.to_json(), tokens)
    }

    fn token(&mut self, choice: usize, index: u32) -> Option<Event> {
        self.sent += 1;
        let reply = self.plan.replies.get(choice)?;
        let last = index + 1 == reply.text.len();
        let ends = last && reply.finish == Finish::Length;
        let token = reply.text.token(index);
        let top = self.plan.top_logprobs;
        let part = ChunkChoice {
            index: u32::try_from(choice).unwrap_or(u32::MAX),
            text: if index == 0 { format!("{}{token}", reply.echo) } else { token.to_string() },
            logprobs: top.map(|top| TextLogprobs::of(&reply.text, index..index + 1, top, self.offset)),
            finish_reason: ends.then_some(reply.finish_reason()),
            ..ChunkChoice::default()
        };
        let length = token.chars().count();
        let event = self.event(part, 1);
        self.offset += length;
        match (last, ends) {
            (false, _) => self.step = Step::Token(choice, index + 1),
            (true, false) => self.step = Step::End(choice),
            (true, true) => self.begin(choice + 1),
        }
        Some(event)
    }

    fn end(&mut self, choice: usize, reason: &'static str) -> Event {
        let index = u32::try_from(choice).unwrap_or(u32::MAX);
        let event = self.event(ChunkChoice { index, finish_reason: Some(reason), ..ChunkChoice::default() }, 0);
        self.begin(choice + 1);
        event
    }

    fn usage(&mut self) -> Option<Event> {
        self.step = Step::Over;
        if !self.plan.options.include_usage {
            return None;
        }
        let mut chunk = Chunk::new(&self.plan, vec![]);
        chunk.usage = Some(StreamUsage::last(self.plan.prompt_tokens, self.sent));
        chunk.system_fingerprint = Some(FINGERPRINT);
        Some(Event::new(chunk.to_json(), 0))
    }
}

impl Script for CompletionScript {
    fn next(&mut self) -> Option<Event> {
        match self.step {
            Step::Token(choice, index) => self.token(choice, index),
            Step::End(choice) => Some(self.end(choice, "stop")),
            Step::Usage => self.usage(),
            Step::Over => None,
        }
    }

    fn abort(&mut self) -> Option<Event> {
        Some(self.end(0, "abort"))
    }
}
