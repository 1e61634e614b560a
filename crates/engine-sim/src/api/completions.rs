//! `/v1/completions`.

mod script;
mod shape;

use axum::response::Response;
use serde::Deserialize;

use self::script::CompletionScript;
use self::shape::{Choice, Completion};
use super::logprobs::TextLogprobs;
use super::sampling::{Sampling, StreamOptions, check_stream};
use super::usage::Usage;
use crate::answer::Text;
use crate::app::App;
use crate::call::Call;
use crate::deliver::{self, Work};
use crate::error::ApiError;
use crate::metrics::Finish;
use crate::payload::Payload;
use crate::text::{Seed, count, token_text};

/// The fields of a completion request that the simulation looks at; others are ignored.
#[derive(Deserialize)]
pub(super) struct CompletionRequest {
    model: Option<String>,
    prompt: Option<Prompts>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<i64>,
    min_tokens: Option<u32>,
    ignore_eos: Option<bool>,
    n: Option<i64>,
    temperature: Option<f64>,
    logprobs: Option<i64>,
    echo: Option<bool>,
}

/// One prompt or several, as text or as token numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Prompts {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u64>),
    TokenLists(Vec<Vec<u64>>),
}

/// One answer of a completion.
struct Reply {
    /// The prompt, if it is to be repeated.
    echo: String,
    text: Text,
    finish: Finish,
}

/// A checked request: everything that its answer is made of.
struct Plan {
    id: String,
    created: i64,
    model: String,
    prompt_tokens: u32,
    replies: Vec<Reply>,
    top_logprobs: Option<u32>,
    options: StreamOptions,
}

/// Answers a text completion, in one piece or as a stream.
pub(super) async fn complete(call: Call, Payload(request): Payload<CompletionRequest>) -> Result<Response, ApiError> {
    let stream = request.stream.unwrap_or(false);
    let plan = Plan::new(&call, &request)?;
    let work = plan.work();
    if stream {
        return Ok(deliver::stream(call, work, CompletionScript::new(plan)).await);
    }
    Ok(deliver::json(call, work, &plan.completion()).await)
}

// === impl CompletionRequest ===

impl CompletionRequest {
    fn sampling(&self) -> Sampling {
        Sampling {
            max_tokens: Some(self.max_tokens.unwrap_or(16)),
            min_tokens: self.min_tokens,
            ignore_eos: self.ignore_eos.unwrap_or(false),
            n: self.n,
            temperature: self.temperature,
            top_logprobs: self.logprobs,
        }
    }
}

// === impl Prompts ===

impl Prompts {
    /// Each prompt as text, with its tokens.
    fn read(&self) -> Vec<(String, u32)> {
        let counted = |text: &String| (text.clone(), count(text));
        let spelled = |ids: &Vec<u64>| {
            let words: Vec<_> = ids.iter().map(|id| token_text(*id)).collect();
            (words.join(" "), u32::try_from(ids.len()).unwrap_or(u32::MAX))
        };
        match self {
            Self::Text(text) => vec![counted(text)],
            Self::Texts(texts) => texts.iter().map(counted).collect(),
            Self::Tokens(ids) => vec![spelled(ids)],
            Self::TokenLists(lists) => lists.iter().map(spelled).collect(),
        }
    }
}

// === impl Plan ===

impl Plan {
    fn new(call: &Call, request: &CompletionRequest) -> Result<Self, ApiError> {
        let app = &*call.app;
        let prompts = request.prompt.as_ref().ok_or_else(|| ApiError::missing("prompt"))?.read();
        let options = check_stream(request.stream.unwrap_or(false), request.stream_options)?;
        app.check_model(request.model.as_deref())?;
        Ok(Self {
            id: format!("cmpl-{}", call.id),
            created: app.created(),
            model: app.args.model.clone(),
            prompt_tokens: prompts.iter().map(|(_, tokens)| *tokens).fold(0, u32::saturating_add),
            replies: replies(app, request, &prompts)?,
            top_logprobs: request.logprobs.and_then(|top| u32::try_from(top).ok()),
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

    fn logprobs(&self, reply: &Reply) -> Option<TextLogprobs> {
        let offset = reply.echo.chars().count();
        self.top_logprobs.map(|top| TextLogprobs::of(&reply.text, 0..reply.text.len(), top, offset))
    }
}

// === impl Reply ===

impl Reply {
    const fn finish_reason(&self) -> &'static str {
        match self.finish {
            Finish::Stop => "stop",
            Finish::Length => "length",
        }
    }
}

fn replies(app: &App, request: &CompletionRequest, prompts: &[(String, u32)]) -> Result<Vec<Reply>, ApiError> {
    let (n, allowance) = request.sampling().check(app)?;
    let echo = request.echo.unwrap_or(false);
    let mut replies = Vec::with_capacity(prompts.len());
    for (prompt, tokens) in prompts {
        let room = app.room_after(*tokens)?;
        let (len, finish) = allowance.decide(app.settings.pace().tokens, room);
        replies.extend((0..u64::from(n)).map(|index| Reply {
            echo: if echo { prompt.clone() } else { String::new() },
            text: Text::Words { seed: Seed::of("text").with(prompt).variant(index), len },
            finish,
        }));
    }
    if replies.is_empty() {
        return Err(ApiError::bad_request("You must pass at least one prompt", None));
    }
    Ok(replies)
}
