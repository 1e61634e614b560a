use serde_json::Value;

use crate::{Attention, Experts};

/// A number in a config that is larger is a mistake or an attack: no product of a few of them overflows.
const MOST: u64 = 1 << 40;
/// Layers that a model may have.
const MOST_LAYERS: u64 = 100_000;

/// What a model's `config.json` says of its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// Layers in which every token is kept.
    pub full_layers: u64,
    /// Layers in which only the latest tokens are kept, and how many these are.
    pub sliding_layers: u64,
    /// Tokens that sliding layers keep; 0 where there are none.
    pub window: u64,
    /// Heads of queries in a layer.
    pub heads: u64,
    /// What a layer keeps of a token.
    pub attention: Attention,
    /// Numbers of a token between layers.
    pub hidden: u64,
    /// Numbers of a token within the feed-forward part.
    pub intermediate: u64,
    /// Tokens that there are.
    pub vocabulary: u64,
    /// Tokens that a request may have, if the model says so.
    pub context: Option<u64>,
    /// Bytes of a number in the type that the model computes in.
    pub dtype_bytes: u64,
    /// Its experts; none where all numbers of a layer are used for each token.
    pub experts: Option<Experts>,
}

/// A `config.json` does not say enough.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number is missing.
    #[error("the model's config.json has no {0}: is it the config of a language model?")]
    Missing(&'static str),
    /// A number makes no sense.
    #[error("{0} in the model's config.json is no sensible number")]
    Odd(&'static str),
}

/// The names of one number in the configs of different families.
pub(crate) struct Field {
    pub(crate) names: &'static [&'static str],
}

const LAYERS: Field = Field { names: &["num_hidden_layers", "n_layer", "num_layers"] };
const HEADS: Field = Field { names: &["num_attention_heads", "n_head", "num_heads"] };
const KV_HEADS: Field = Field { names: &["num_key_value_heads", "num_kv_heads"] };
const HIDDEN: Field = Field { names: &["hidden_size", "n_embd", "d_model"] };
const HEAD_DIM: Field = Field { names: &["head_dim"] };
const INTERMEDIATE: Field = Field { names: &["intermediate_size", "n_inner", "ffn_dim"] };
const VOCABULARY: Field = Field { names: &["vocab_size"] };
const CONTEXT: Field = Field { names: &["max_position_embeddings", "n_positions"] };
const WINDOW: Field = Field { names: &["sliding_window"] };
const RANK: Field = Field { names: &["kv_lora_rank"] };
const ROPE: Field = Field { names: &["qk_rope_head_dim"] };

// === impl Architecture ===

impl Architecture {
    /// From a parsed `config.json`. Models that also see or hear keep the language model's part in `text_config`.
    pub fn read(config: &Value) -> Result<Self, ConfigError> {
        let inner = ["text_config", "llm_config", "language_config"].into_iter().find_map(|name| config.get(name));
        let text = inner.filter(|inner| inner.is_object()).unwrap_or(config);
        let layers = LAYERS.required(text)?;
        if layers > MOST_LAYERS {
            return Err(ConfigError::Odd(LAYERS.names[0]));
        }
        let (heads, hidden) = (HEADS.required(text)?, HIDDEN.required(text)?);
        let window = WINDOW.find(text)?.unwrap_or(0);
        let sliding_layers = if window == 0 { 0 } else { sliding(text, layers) };
        Ok(Self {
            full_layers: layers - sliding_layers,
            sliding_layers,
            window: if sliding_layers == 0 { 0 } else { window },
            heads,
            attention: attention(text, heads, hidden)?,
            hidden,
            // As transformers does where it is left out (GPT-2).
            intermediate: INTERMEDIATE.find(text)?.unwrap_or(hidden * 4),
            vocabulary: VOCABULARY.find(text)?.or(VOCABULARY.find(config)?).unwrap_or(0),
            context: CONTEXT.find(text)?,
            dtype_bytes: dtype_bytes(text, config),
            experts: Experts::read(text, layers)?,
        })
    }

    /// All layers.
    pub const fn layers(&self) -> u64 {
        self.full_layers + self.sliding_layers
    }

    /// The part with the most layers where these are dealt out to so many stages.
    #[must_use]
    pub fn stage(&self, stages: u64) -> Self {
        let stages = stages.max(1);
        let (full_layers, sliding_layers) = (self.full_layers.div_ceil(stages), self.sliding_layers.div_ceil(stages));
        Self { full_layers, sliding_layers, ..self.clone() }
    }

    /// Thousandths of its numbers that are experts': 0 where it has none.
    pub fn expert_permille(&self) -> u64 {
        self.experts.map_or(0, |experts| experts.permille(self))
    }

    /// Numbers that are kept for a sequence of so many tokens on each of `split` GPUs.
    pub fn kept(&self, tokens: u64, split: u64) -> u64 {
        let in_full = self.full_layers.saturating_mul(tokens);
        let in_sliding = self.sliding_layers.saturating_mul(tokens.min(self.window));
        in_full.saturating_add(in_sliding).saturating_mul(self.attention.numbers(split))
    }
}

// === impl Field ===

impl Field {
    pub(crate) fn find(&self, config: &Value) -> Result<Option<u64>, ConfigError> {
        let found = self.names.iter().find_map(|name| config.get(name)).filter(|value| !value.is_null());
        let Some(value) = found else { return Ok(None) };
        let number = value.as_u64().filter(|number| *number <= MOST);
        number.map(Some).ok_or(ConfigError::Odd(self.names[0]))
    }

    /// One that must be there, and not zero.
    fn required(&self, config: &Value) -> Result<u64, ConfigError> {
        match self.find(config)? {
            None => Err(ConfigError::Missing(self.names[0])),
            Some(0) => Err(ConfigError::Odd(self.names[0])),
            Some(number) => Ok(number),
        }
    }
}

fn attention(text: &Value, heads: u64, hidden: u64) -> Result<Attention, ConfigError> {
    if let (Some(rank), Some(rope)) = (RANK.find(text)?, ROPE.find(text)?) {
        return Ok(Attention::Latent { rank, rope });
    }
    // Falcon's first generation says only that all query heads share one.
    let shares_one = text.get("multi_query").and_then(Value::as_bool) == Some(true);
    let kv_heads = KV_HEADS.find(text)?.unwrap_or(if shares_one { 1 } else { heads });
    let head_dim = HEAD_DIM.find(text)?.unwrap_or(hidden / heads);
    if kv_heads == 0 || head_dim == 0 {
        return Err(ConfigError::Odd(if kv_heads == 0 { KV_HEADS.names[0] } else { HEAD_DIM.names[0] }));
    }
    Ok(Attention::Heads { kv_heads, head_dim })
}

/// How many layers see only a window. Where a config names a window without saying which layers have it: Mistral has it in
/// all, Qwen2 says that it is not used.
fn sliding(text: &Value, layers: u64) -> u64 {
    if text.get("use_sliding_window").and_then(Value::as_bool) == Some(false) {
        return 0;
    }
    if let Some(kinds) = text.get("layer_types").and_then(Value::as_array) {
        let sliding = kinds.iter().filter(|kind| kind.as_str() == Some("sliding_attention")).count();
        return u64::try_from(sliding).unwrap_or(layers).min(layers);
    }
    if let Some(pattern) = text.get("sliding_window_pattern").and_then(Value::as_u64).filter(|pattern| *pattern > 1) {
        // Every so many-th layer sees everything (Gemma 3).
        return layers - layers / pattern;
    }
    layers
}

fn dtype_bytes(text: &Value, config: &Value) -> u64 {
    let name = ["dtype", "torch_dtype"].into_iter().find_map(|name| text.get(name).or_else(|| config.get(name)));
    match name.and_then(Value::as_str) {
        // vLLM's `--dtype auto` computes float32 models in 16 bits too.
        Some("float8_e4m3fn" | "float8_e5m2") => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_language_model_is_told() {
        let missing = Architecture::read(&json!({ "hidden_size": 8 })).unwrap_err().to_string();
        assert!(missing.contains("num_hidden_layers"), "{missing}");
        for odd in [json!(0), json!(-1), json!("12"), json!(1_u64 << 60), json!(1e9)] {
            let config = json!({ "num_hidden_layers": odd, "num_attention_heads": 2, "hidden_size": 8 });
            assert_eq!(Architecture::read(&config), Err(ConfigError::Odd("num_hidden_layers")), "{odd}");
        }
        assert!(Architecture::read(&json!([])).is_err());
    }

    #[test]
    fn windows_are_kept_where_they_are_used() {
        let config = |more: Value| {
            let mut config = json!({
                "num_hidden_layers": 12, "num_attention_heads": 8, "hidden_size": 512, "sliding_window": 100,
            });
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Architecture::read(&config).unwrap().sliding_layers
        };
        assert_eq!(config(json!({})), 12);
        assert_eq!(config(json!({ "use_sliding_window": false })), 0);
        assert_eq!(config(json!({ "sliding_window": null })), 0);
        assert_eq!(config(json!({ "sliding_window_pattern": 6 })), 10);
        assert_eq!(config(json!({ "layer_types": ["sliding_attention", "full_attention", "sliding_attention"] })), 2);
    }

    proptest! {
        #[test]
        fn no_config_panics_or_overflows(numbers in prop::collection::vec(any::<u64>(), 9), tokens: u64, split: u64) {
            let names = [
                "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_size", "head_dim",
                "sliding_window", "kv_lora_rank", "qk_rope_head_dim", "vocab_size",
            ];
            let config: serde_json::Map<_, _> =
                names.iter().zip(&numbers).map(|(name, number)| ((*name).to_owned(), json!(number >> 20))).collect();
            if let Ok(architecture) = Architecture::read(&Value::Object(config)) {
                architecture.kept(tokens, split);
            }
        }
    }
}
