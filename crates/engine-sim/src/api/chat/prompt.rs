use super::request::{Content, Message, Part};
use crate::EngineType;
use crate::app::App;
use crate::error::ApiError;
use crate::text::{Seed, count};

/// Tokens that the chat template adds per message.
const PER_MESSAGE: u32 = 3;

/// Tokens of an image.
const PER_IMAGE: u32 = 64;

/// What the model would have read.
pub(super) struct Prompt {
    /// Depends on every role and every text.
    pub(super) seed: Seed,
    pub(super) tokens: u32,
}

// === impl Prompt ===

impl Prompt {
    pub(super) fn read(app: &App, messages: &[Message]) -> Result<Self, ApiError> {
        if messages.is_empty() {
            let message = "Cannot apply chat template to an empty conversation. Provide at least one message.";
            return Err(ApiError::bad_request(message, None));
        }
        let mut prompt = Self { seed: Seed::of("chat"), tokens: 0 };
        for message in messages {
            prompt.tokens = prompt.tokens.saturating_add(PER_MESSAGE);
            prompt.seed = prompt.seed.with(message.role.as_deref().unwrap_or_default());
            match &message.content {
                None => {}
                Some(Content::Text(text)) => prompt.add(text),
                Some(Content::Parts(parts)) => prompt.add_parts(app, parts)?,
            }
        }
        Ok(prompt)
    }

    fn add(&mut self, text: &str) {
        self.seed = self.seed.with(text);
        self.tokens = self.tokens.saturating_add(count(text));
    }

    fn add_parts(&mut self, app: &App, parts: &[Part]) -> Result<(), ApiError> {
        for part in parts {
            match (&part.text, part.r#type.as_deref()) {
                (Some(text), _) => self.add(text),
                (None, _) if app.args.engine_type == EngineType::Vision => {
                    self.tokens = self.tokens.saturating_add(PER_IMAGE);
                }
                (None, _) => {
                    let message = format!("{} is not a multimodal model", app.args.model);
                    return Err(ApiError::bad_request(message, None));
                }
            }
        }
        Ok(())
    }
}
