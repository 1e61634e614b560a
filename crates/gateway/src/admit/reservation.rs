use ledger::{Nanos, Price, Usage};
use wire::Peek;

use crate::surface::Api;

/// Tokens that an answer is expected to have where the request does not say.
const DEFAULT_COMPLETION_TOKENS: u64 = 1_024;

/// Bytes of a prompt that make a token, roughly, in every tokenizer that we know.
const BYTES_PER_TOKEN: u64 = 4;

/// Tokens of the prompt by estimate, and what the request may cost: what is set aside while it runs.
///
/// (prompt bytes ÷ 4 + min(`max_tokens` or 1,024, what fits the context)) × price × n
pub(crate) fn reservation(
    api: Api,
    peek: &Peek,
    body_bytes: usize,
    context_length: Option<u32>,
    price: &Price,
) -> (u64, Nanos) {
    let prompt_tokens = (body_bytes as u64).div_ceil(BYTES_PER_TOKEN);
    let fits = context_length.map_or(u64::MAX, |length| u64::from(length).saturating_sub(prompt_tokens));
    let wanted = if api.generates() { peek.max_tokens.unwrap_or(DEFAULT_COMPLETION_TOKENS) } else { 0 };
    let n = peek.n.unwrap_or(1).max(1);
    let usage = Usage {
        prompt_tokens: prompt_tokens.saturating_mul(n),
        completion_tokens: wanted.min(fits).saturating_mul(n),
        ..Usage::default()
    };
    (prompt_tokens, price.cost(&usage))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price {
        version: 1,
        input: 1_000_000,
        cached_input: 0,
        output: 2_000_000,
        image: 0,
        audio_second: 0,
        character: 0,
        search: 0,
        request: 0,
    };

    fn reserved(api: Api, max_tokens: Option<u64>, n: Option<u64>, context: Option<u32>) -> Nanos {
        let peek = Peek { max_tokens, n, ..Peek::default() };
        reservation(api, &peek, 400, context, &PRICE).1
    }

    #[test]
    fn follows_the_formula() {
        assert_eq!(reserved(Api::ChatCompletions, Some(10), None, None), Nanos(100 + 20));
        assert_eq!(reserved(Api::ChatCompletions, None, None, None), Nanos(100 + 2_048));
        assert_eq!(reserved(Api::ChatCompletions, Some(10), Some(3), None), Nanos(300 + 60));
        assert_eq!(reserved(Api::ChatCompletions, Some(9_999), None, Some(150)), Nanos(100 + 100));
        assert_eq!(reserved(Api::Embeddings, None, None, None), Nanos(100));
        assert_eq!(reserved(Api::Completions, Some(u64::MAX), Some(u64::MAX), None), Nanos(i64::MAX));
    }
}
