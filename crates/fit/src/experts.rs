use serde_json::Value;

use crate::architecture::Field;
use crate::{Architecture, Attention, ConfigError};

/// Feed-forward parts of which each token goes through some only (mixture of experts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experts {
    /// In each layer that has any.
    pub count: u64,
    /// Numbers of a token within one of them.
    pub intermediate: u64,
    /// Layers that have some.
    pub layers: u64,
}

const COUNT: Field = Field { names: &["n_routed_experts", "num_local_experts", "num_experts"] };
const INTERMEDIATE: Field = Field { names: &["moe_intermediate_size", "intermediate_size"] };
/// Layers at the beginning that have none (`DeepSeek`).
const FIRST_DENSE: Field = Field { names: &["first_k_dense_replace"] };
/// Every so many-th layer has some (Qwen, Llama 4).
const STEP: Field = Field { names: &["decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_freq"] };

// === impl Experts ===

impl Experts {
    pub(crate) fn read(text: &Value, layers: u64) -> Result<Option<Self>, ConfigError> {
        let Some(count) = COUNT.find(text)?.filter(|count| *count > 1) else { return Ok(None) };
        let Some(intermediate) = INTERMEDIATE.find(text)? else { return Ok(None) };
        let dense = FIRST_DENSE.find(text)?.unwrap_or(0);
        // Some families list the layers instead; nearly all have experts then.
        let step = STEP.find(text).ok().flatten().unwrap_or(1).max(1);
        Ok(Some(Self { count, intermediate, layers: layers.saturating_sub(dense) / step }))
    }

    /// Thousandths of all numbers that are theirs: gate, up and down of each, beside what attention, dense layers and both
    /// embeddings have.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share between 0 and 1000 of numbers that are estimates"
    )]
    pub(crate) fn permille(self, of: &Architecture) -> u64 {
        let hidden = of.hidden as f64;
        let own = self.layers as f64 * self.count as f64 * 3.0 * hidden * self.intermediate as f64;
        let attention = match of.attention {
            Attention::Heads { kv_heads, head_dim } => hidden * head_dim as f64 * 2.0 * (of.heads + kv_heads) as f64,
            // Low-rank projections of queries, keys and values, and the one back: about as much as four square ones.
            Attention::Latent { .. } => 4.0 * hidden * hidden,
        };
        let dense = of.layers().saturating_sub(self.layers) as f64 * 3.0 * hidden * of.intermediate as f64;
        let rest = of.layers() as f64 * attention + dense + 2.0 * of.vocabulary as f64 * hidden;
        let all = own + rest;
        if all > 0.0 { (own / all * 1_000.0).round() as u64 } else { 0 }
    }
}
