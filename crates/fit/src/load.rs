/// How a model is to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// GPUs that share each layer (tensor parallel).
    pub split: u64,
    /// Groups of GPUs of which each has some of the layers (pipeline parallel).
    pub stages: u64,
    /// Groups of GPUs of which each answers requests of its own (data parallel). They share experts, if the model has any, and
    /// have everything else each for itself.
    pub ranks: u64,
    /// Bytes of each of these GPUs.
    pub gpu_bytes: u64,
    /// Thousandths of these that the engine may take.
    pub utilization_permille: u64,
    /// Tokens of each sequence.
    pub context: u64,
    /// Sequences of that length at once.
    pub sequences: u64,
    /// Tokens that are computed at once.
    pub batched_tokens: u64,
    /// Sequences, of any length, of which a token is chosen at once.
    pub batched_sequences: u64,
    /// In what the cache of keys and values is kept.
    pub cache: CacheType,
}

/// In what the cache of keys and values is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheType {
    /// In the type that the model computes in.
    Auto,
    /// In 8 bits (`--kv-cache-dtype fp8`).
    Fp8,
}

// === impl Load ===

impl Load {
    /// One sequence of `context` tokens on `split` GPUs, as vLLM 0.32 serves by itself: 0.92 of the memory
    /// (`vllm/config/cache.py`), and as many tokens and sequences a step as it chooses by the size of the GPU
    /// (`vllm/engine/arg_utils.py`, for its server). It chooses less for an A100 of 80 GB, of which this asks too much.
    pub const fn usual(split: u64, gpu_bytes: u64, context: u64) -> Self {
        let (batched_tokens, batched_sequences) = match gpu_bytes >> 30 {
            160.. => (16_384, 1_024),
            70.. => (8_192, 1_024),
            _ => (2_048, 256),
        };
        Self {
            split,
            stages: 1,
            ranks: 1,
            gpu_bytes,
            utilization_permille: 920,
            context,
            sequences: 1,
            batched_tokens,
            batched_sequences,
            cache: CacheType::Auto,
        }
    }

    /// Bytes of each GPU that the engine may take.
    pub const fn budget(&self) -> u64 {
        // Divided first: the product may not fit.
        let permille = if self.utilization_permille > 1_000 { 1_000 } else { self.utilization_permille };
        self.gpu_bytes / 1_000 * permille
    }
}
