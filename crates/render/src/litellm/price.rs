use serde_json::{Map, Value, json};
use spec::Price;

/// What LiteLLM bills: per token where Enginehouse says per million of them. What it has no word for (a price per
/// request) is left out.
pub(super) fn insert(params: &mut Map<String, Value>, price: &Price) {
    let &Price { input, cached_input, output, image, audio_second, character, search, request: _ } = price;
    // Without these it looks prices up by the model's name, and bills what Enginehouse gives for free.
    params.insert("input_cost_per_token".to_owned(), json!(per_token(input)));
    params.insert("output_cost_per_token".to_owned(), json!(per_token(output)));
    if let Some(cached) = cached_input {
        params.insert("cache_read_input_token_cost".to_owned(), json!(per_token(cached)));
    }
    let others = [
        ("output_cost_per_image", image),
        ("input_cost_per_second", audio_second),
        ("input_cost_per_character", character),
        ("input_cost_per_query", search),
    ];
    for (name, price) in others.into_iter().filter(|(_, price)| *price > 0.0) {
        params.insert(name.to_owned(), json!(price));
    }
}

/// A millionth, without what a division adds: the point is moved in the text.
fn per_token(per_million: f64) -> f64 {
    format!("{per_million}e-6").parse().unwrap_or(per_million / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_per_token_is_as_short_as_the_one_per_million() {
        for (per_million, shown) in [(0.1, "0.0000001"), (0.15, "0.00000015"), (3.0, "0.000003"), (0.0, "0")] {
            assert_eq!(per_token(per_million).to_string(), shown);
        }
    }
}
