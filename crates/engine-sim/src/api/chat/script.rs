use super::Plan;
use super::shape::{Chunk, ChunkChoice, Delta, FINGERPRINT, ToolCall};
use crate::api::logprobs::ChatLogprobs;
use crate::api::usage::StreamUsage;
use crate::deliver::{Event, Script};
use crate::metrics::Finish;

/// The events of a chat completion: the openings, each answer's tokens and end, the usage.
pub(super) struct ChatScript {
    plan: Plan,
    step: Step,
    sent: u32,
}

#[derive(Clone, Copy)]
enum Step {
    /// The opening of an answer.
    Open(u32),
    /// The opening of an answer's tool call.
    OpenCall(u32),
    /// A token of an answer.
    Token(u32, u32),
    /// The end of an answer that stopped by itself.
    End(u32),
    Usage,
    Over,
}

// === impl ChatScript ===

impl ChatScript {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, step: Step::Open(0), sent: 0 }
    }

    fn choices(&self) -> u32 {
        u32::try_from(self.plan.replies.len()).unwrap_or(u32::MAX)
    }

    fn reply(&self, choice: u32) -> &super::Reply {
        &self.plan.replies[usize::try_from(choice).unwrap_or(0)]
    }

    /// The step with which an answer's content begins.
    fn begin(&self, choice: u32) -> Step {
        if choice >= self.choices() {
            return Step::Usage;
        }
        let reply = self.reply(choice);
        match (&reply.tool, reply.text.len()) {
            (Some(_), _) => Step::OpenCall(choice),
            (None, 0) => Step::End(choice),
            (None, _) => Step::Token(choice, 0),
        }
    }

    fn event(&self, mut chunk: Chunk<'_>, tokens: u32) -> Event {
        if self.plan.options.continuous_usage_stats && chunk.usage.is_none() {
            chunk.usage = Some(StreamUsage::running(self.plan.prompt_tokens, self.sent));
        }
        Event::new(chunk.to_json(), tokens)
    }

    /// The last event of an answer names the server, unless the usage still follows.
    fn closing<'a>(&self, mut chunk: Chunk<'a>) -> Chunk<'a> {
        chunk.system_fingerprint = (!self.plan.options.include_usage).then_some(FINGERPRINT);
        chunk
    }

    fn open(&mut self, choice: u32) -> Event {
        self.step = if choice + 1 < self.choices() { Step::Open(choice + 1) } else { self.begin(0) };
        self.event(Chunk::opening(&self.plan, choice), 0)
    }

    fn open_call(&mut self, choice: u32) -> Option<Event> {
        let reply = self.reply(choice);
        let tool = reply.tool.as_ref()?;
        let next = if reply.text.len() == 0 { Step::End(choice) } else { Step::Token(choice, 0) };
        let delta = Delta::call(ToolCall::opening(&tool.call_id, &tool.name));
        let event = self.event(Chunk::new(&self.plan, vec![ChunkChoice::new(choice, delta)]), 0);
        self.step = next;
        Some(event)
    }

    fn token(&mut self, choice: u32, index: u32) -> Event {
        self.sent += 1;
        let reply = self.reply(choice);
        let last = index + 1 == reply.text.len();
        let ends = last && reply.finish == Finish::Length;
        let text = reply.text.token(index);
        let delta =
            if reply.tool.is_some() { Delta::call(ToolCall::more(text.into_owned())) } else { Delta::text(&text) };
        let event = self.token_event(choice, index, delta, ends);
        self.step = match (last, ends) {
            (false, _) => Step::Token(choice, index + 1),
            (true, false) => Step::End(choice),
            (true, true) => self.begin(choice + 1),
        };
        event
    }

    fn token_event(&self, choice: u32, index: u32, delta: Delta<'_>, ends: bool) -> Event {
        let reply = self.reply(choice);
        let logprobs = self.plan.top_logprobs.map(|top| ChatLogprobs::of(&reply.text, index..index + 1, top));
        let part = ChunkChoice::new(choice, delta).with_logprobs(logprobs);
        let part = if ends { part.finished(reply.finish_reason()) } else { part };
        let chunk = Chunk::new(&self.plan, vec![part]);
        self.event(if ends { self.closing(chunk) } else { chunk }, 1)
    }

    fn end(&mut self, choice: u32, reason: &'static str) -> Event {
        self.step = self.begin(choice + 1);
        let part = ChunkChoice::new(choice, Delta::default()).finished(reason);
        self.event(self.closing(Chunk::new(&self.plan, vec![part])), 0)
    }

    fn usage(&mut self) -> Option<Event> {
        self.step = Step::Over;
        if !self.plan.options.include_usage {
            return None;
        }
        let mut chunk = Chunk::new(&self.plan, vec![]);
        chunk.usage = Some(StreamUsage::last(self.plan.prompt_tokens, self.sent));
        chunk.system_fingerprint = Some(FINGERPRINT);
        Some(self.event(chunk, 0))
    }
}

impl Script for ChatScript {
    fn next(&mut self) -> Option<Event> {
        match self.step {
            Step::Open(choice) => Some(self.open(choice)),
            Step::OpenCall(choice) => self.open_call(choice),
            Step::Token(choice, index) => Some(self.token(choice, index)),
            Step::End(choice) => {
                let reason = self.reply(choice).finish_reason();
                Some(self.end(choice, reason))
            }
            Step::Usage => self.usage(),
            Step::Over => None,
        }
    }

    fn abort(&mut self) -> Option<Event> {
        Some(self.end(0, "abort"))
    }
}
