//! `/v1/chat/completions`.

mod prompt;
mod request;
mod script;
mod shape;

use axum::response::Response;

use self::prompt::Prompt;
use self::request::{ChatRequest, Format};
use self::script::ChatScript;
use self::shape::{Choice, Completion, Message, ToolCall};
use super::logprobs::ChatLogprobs;
use super::sampling::{StreamOptions, check_stream};
use super::usage::Usage;
use crate::answer::{Text, sample};
use crate::call::Call;
use crate::deliver::{self, Work};
use crate::error::ApiError;
use crate::metrics::Finish;
use crate::payload::Payload;

/// One answer of a chat completion.
struct Reply {
    text: Text,
    /// Set if the text is the arguments of a call of this function.
    tool: Option<Tool>,
    finish: Finish,
}

/// A function that is called.
#[derive(Clone)]
struct Tool {
    call_id: String,
    name: String,
    /// A named function ends with `stop`, a required one with `tool_calls`.
    named: bool,
}

/// A checked request: everything that its answer is made of.
struct Plan {
    id: String,
    created: i64,
    model: String,
    prompt_tokens: u32,
    replies: Vec<Reply>,
    /// Candidates per token, if log probabilities are wanted.
    top_logprobs: Option<u32>,
    options: StreamOptions,
}

/// Answers a chat completion, in one piece or as a stream.
pub(super) async fn complete(call: Call, Payload(request): Payload<ChatRequest>) -> Result<Response, ApiError> {
    let stream = request.stream.unwrap_or(false);
    let plan = Plan::new(&call, &request)?;
    let work = plan.work();
    if stream {
        return Ok(deliver::stream(call, work, ChatScript::new(plan)).await);
    }
    Ok(deliver::json(call, work, &plan.completion()).await)
}

// === impl Plan ===

impl Plan {
    fn new(call: &Call, request: &ChatRequest) -> Result<Self, ApiError> {
        let app = &*call.app;
        let messages = request.messages.as_deref().ok_or_else(|| ApiError::missing("messages"))?;
        let (n, allowance) = request.sampling().check(app)?;
        let options = check_stream(request.stream.unwrap_or(false), request.stream_options)?;
        app.check_model(request.model.as_deref())?;
        let prompt = Prompt::read(app, messages)?;
        let room = app.room_after(prompt.tokens)?;
        let (len, finish) = allowance.decide(app.settings.pace().tokens, room);
        let reply = |index: u64| match request.format() {
            Format::Words => Reply { text: Text::Words { seed: prompt.seed.variant(index), len }, tool: None, finish },
            Format::Json(schema) => Reply::fixed(&sample(&schema).to_string(), None),
            Format::Call { name, schema, named } => {
                let call_id = format!("chatcmpl-tool-{:016x}", prompt.seed.variant(index).draw(7));
                Reply::fixed(&sample(&schema).to_string(), Some(Tool { call_id, name, named }))
            }
        };
        Ok(Self {
            id: format!("chatcmpl-{}", call.id),
            created: app.created(),
            model: app.args.model.clone(),
            prompt_tokens: prompt.tokens,
            replies: (0..u64::from(n)).map(reply).collect(),
            top_logprobs: request.top_logprobs(),
            options,
        })
    }

    fn completion_tokens(&self) -> u32 {
        self.replies.iter().map(|reply| reply.text.len()).fold(0, u32::saturating_add)
    }

    fn work(&self) -> Work {
        let finish = self.replies.first().map_or(Finish::Stop, |reply| reply.finish);
        Work { prompt_tokens: self.prompt_tokens, completion_tokens: self.completion_tokens(), finish }
    }

    fn completion(&self) -> Completion<'_> {
        let choices = (0..).zip(&self.replies).map(|(index, reply)| Choice::new(index, reply, self.logprobs(reply)));
        Completion::new(self, choices.collect(), Usage::new(self.prompt_tokens, self.completion_tokens()))
    }

    fn logprobs(&self, reply: &Reply) -> Option<ChatLogprobs> {
        self.top_logprobs.map(|top| ChatLogprobs::of(&reply.text, 0..reply.text.len(), top))
    }
}

// === impl Reply ===

impl Reply {
    fn fixed(text: &str, tool: Option<Tool>) -> Self {
        Self { text: Text::fixed(text), tool, finish: Finish::Stop }
    }

    const fn finish_reason(&self) -> &'static str {
        match (&self.tool, self.finish) {
            (Some(Tool { named: false, .. }), _) => "tool_calls",
            (_, Finish::Stop) => "stop",
            (_, Finish::Length) => "length",
        }
    }

    fn message(&self) -> Message<'_> {
        let whole = self.text.whole();
        match &self.tool {
            None => Message::text(whole),
            Some(tool) => Message::call(ToolCall::whole(&tool.call_id, &tool.name, whole)),
        }
    }
}
