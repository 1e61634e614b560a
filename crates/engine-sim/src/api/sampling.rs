use serde::Deserialize;

use crate::answer::Allowance;
use crate::app::App;
use crate::error::ApiError;

/// Choices per request, at most; vLLM's own bound is higher, ours keeps answers small.
const MAX_N: i64 = 128;

/// `stream_options` of a request.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamOptions {
    /// A last chunk with the usage.
    pub(super) include_usage: bool,
    /// Usage with every chunk.
    pub(super) continuous_usage_stats: bool,
}

/// The sampling fields of chat and text completions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sampling {
    pub(super) max_tokens: Option<i64>,
    pub(super) min_tokens: Option<u32>,
    pub(super) ignore_eos: bool,
    pub(super) n: Option<i64>,
    pub(super) temperature: Option<f64>,
    pub(super) top_logprobs: Option<i64>,
}

// === impl Sampling ===

impl Sampling {
    /// Refuses what vLLM refuses; gives the number of choices and their length.
    pub(super) fn check(&self, app: &App) -> Result<(u32, Allowance), ApiError> {
        let n = self.n.unwrap_or(1);
        if n < 1 {
            return Err(ApiError::bad_request(format!("n must be at least 1, got {n}."), None));
        }
        if n > MAX_N {
            return Err(ApiError::bad_request(format!("n must be at most {MAX_N}, got {n}."), None));
        }
        if let Some(t) = self.temperature.filter(|t| *t < 0.0) {
            let message = format!("temperature must be non-negative, got {t:?}. (parameter=temperature, value={t:?})");
            return Err(ApiError::bad_request(message, Some("temperature")));
        }
        if let Some(k) = self.top_logprobs.filter(|k| *k > 20) {
            let message = format!(
                "Requested sample logprobs of {k}, which is greater than max allowed: 20 (parameter=logprobs, value={k})"
            );
            return Err(ApiError::bad_request(message, Some("logprobs")));
        }
        let max_tokens = self.max_tokens(app.args.max_model_len)?;
        let allowance = Allowance { max_tokens, min_tokens: self.min_tokens.unwrap_or(0), ignore_eos: self.ignore_eos };
        Ok((u32::try_from(n).unwrap_or(1), allowance))
    }

    fn max_tokens(&self, limit: u32) -> Result<Option<u32>, ApiError> {
        let Some(max) = self.max_tokens else { return Ok(None) };
        let message = if max < 1 {
            format!("max_tokens must be at least 1, got {max}. (parameter=max_tokens, value={max})")
        } else if max > i64::from(limit) {
            format!(
                "max_tokens={max} cannot be greater than max_model_len={limit}. Please request fewer output tokens. \
                 (parameter=max_tokens, value={max})"
            )
        } else {
            return Ok(u32::try_from(max).ok());
        };
        Err(ApiError::bad_request(message, Some("max_tokens")))
    }
}

/// Refuses `stream_options` where nothing is streamed.
pub(super) fn check_stream(stream: bool, options: Option<StreamOptions>) -> Result<StreamOptions, ApiError> {
    if options.is_some() && !stream {
        let message = "Stream options can only be defined when `stream=True`. (parameter=stream_options)";
        return Err(ApiError::bad_request(message, Some("stream_options")));
    }
    Ok(options.unwrap_or_default())
}
