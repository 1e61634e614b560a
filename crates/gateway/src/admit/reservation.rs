use ledger::Price;

use super::Reserved;
use crate::demand::Demand;

/// What the request may use and cost: what is set aside while it runs.
///
/// (prompt bytes ÷ 4 + min(`max_tokens` or 1,024, what fits the context)) × price × n, and the like for all that is
/// not counted in tokens.
pub(crate) fn reservation(demand: &Demand, context_length: Option<u32>, price: &Price) -> Reserved {
    let usage = demand.at_most(context_length);
    Reserved { tokens: usage.total_tokens(), cost: price.cost(&usage) }
}

#[cfg(test)]
mod tests {
    use ledger::Nanos;
    use wire::Peek;

    use super::*;
    use crate::surface::Api;

    const PRICE: Price = Price {
        version: 1,
        input: 1_000_000,
        cached_input: 0,
        output: 2_000_000,
        image: 7,
        audio_second: 0,
        character: 0,
        search: 0,
        request: 0,
    };

    fn reserved(api: Api, max_tokens: Option<u64>, n: Option<u64>, context: Option<u32>) -> Nanos {
        let peek = Peek { max_tokens, n, ..Peek::default() };
        reservation(&Demand::of(api, &peek, 400), context, &PRICE).cost
    }

    #[test]
    fn follows_the_formula() {
        assert_eq!(reserved(Api::ChatCompletions, Some(10), None, None), Nanos(100 + 20));
        assert_eq!(reserved(Api::ChatCompletions, None, None, None), Nanos(100 + 2_048));
        assert_eq!(reserved(Api::ChatCompletions, Some(10), Some(3), None), Nanos(300 + 60));
        assert_eq!(reserved(Api::ChatCompletions, Some(9_999), None, Some(150)), Nanos(100 + 100));
        assert_eq!(reserved(Api::Embeddings, None, None, None), Nanos(100));
        assert_eq!(reserved(Api::Images, None, Some(3), None), Nanos(100 + 21));
        assert_eq!(reserved(Api::Completions, Some(u64::MAX), Some(u64::MAX), None), Nanos(i64::MAX));
    }
}
