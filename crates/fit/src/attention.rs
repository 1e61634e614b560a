/// What attention keeps of each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// Keys and values of heads, possibly shared by several query heads: MHA, GQA, MQA.
    Heads {
        /// Heads of keys and values in a layer.
        kv_heads: u64,
        /// Numbers of a head.
        head_dim: u64,
    },
    /// One compressed vector for all heads, and the part that carries the position: MLA, as in
    /// DeepSeek-V2 (arXiv 2405.04434, section 2.1).
    Latent {
        /// Numbers of the compressed vector (`kv_lora_rank`).
        rank: u64,
        /// Numbers of the part with the position (`qk_rope_head_dim`).
        rope: u64,
    },
}

// === impl Attention ===

impl Attention {
    /// Numbers that a layer keeps of a token on each of `split` GPUs. Heads are dealt out, and copied where there are more
    /// GPUs than heads; a latent vector is needed whole on each.
    pub fn numbers(&self, split: u64) -> u64 {
        match self {
            Self::Heads { kv_heads, head_dim } => {
                2_u64.saturating_mul(kv_heads.div_ceil(split.max(1)).max(1)).saturating_mul(*head_dim)
            }
            Self::Latent { rank, rope } => rank.saturating_add(*rope),
        }
    }
}
