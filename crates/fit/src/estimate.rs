use crate::{Architecture, CacheType, Load, UnfitSplit, Weights, check_split};

/// What a process takes on a GPU before it loads anything, and for captured graphs and buffers between GPUs. An allowance, not
/// a law: vLLM's own log tells 0.3 to 1 GiB for graphs ("Graph capturing finished"), and a CUDA context takes some 0.5 GiB.
const FIXED: u64 = 1_536 << 20;
/// Bytes of a logit: vLLM turns them into float32 before it samples (`vllm/v1/sample/sampler.py`), and keeps a copy.
const LOGIT: u64 = 8;

/// What a model takes on each GPU, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Weights.
    pub weights: u64,
    /// Keys and values of all sequences.
    pub cache: u64,
    /// What a step computes with.
    pub activations: u64,
    /// The process itself.
    pub fixed: u64,
    /// What the engine may take.
    pub budget: u64,
    /// Tokens of one sequence that fit beside the rest.
    pub largest_context: u64,
}

// === impl Estimate ===

impl Estimate {
    /// All that it takes.
    pub const fn total(&self) -> u64 {
        self.without_cache().saturating_add(self.cache)
    }

    /// Whether it fits.
    pub const fn fits(&self) -> bool {
        self.total() <= self.budget
    }

    const fn without_cache(&self) -> u64 {
        self.weights.saturating_add(self.activations).saturating_add(self.fixed)
    }
}

/// What serving a model so takes on each GPU.
pub fn estimate(architecture: &Architecture, weights: Weights, load: &Load) -> Result<Estimate, UnfitSplit> {
    check_split(architecture, load.split)?;
    let whole = architecture;
    let architecture = &whole.stage(load.stages);
    let mut estimate = Estimate {
        weights: held(whole, weights.bytes, load),
        cache: cache(architecture, load, load.context).saturating_mul(load.sequences),
        activations: activations(architecture, load),
        fixed: FIXED,
        budget: load.budget(),
        largest_context: 0,
    };
    let left = estimate.budget.saturating_sub(estimate.without_cache());
    estimate.largest_context = largest_context(architecture, load, left);
    Ok(estimate)
}

/// Bytes of weights on a GPU of the stage with the most layers. vLLM gives stages as many layers as it can
/// (`vllm/distributed/utils.py`, `get_pp_indices`), and deals experts out to the GPUs of all ranks, by numbers or by experts
/// (`vllm/model_executor/layers/fused_moe/config.py`, `FusedMoEParallelConfig`).
fn held(architecture: &Architecture, bytes: u64, load: &Load) -> u64 {
    let layers = architecture.layers().max(1);
    let of_stage = part(bytes, layers.div_ceil(load.stages.max(1)), layers);
    let experts = part(of_stage, architecture.expert_permille(), 1_000);
    let of_all_ranks = load.split.saturating_mul(load.ranks.max(1));
    (of_stage - experts).div_ceil(load.split).saturating_add(experts.div_ceil(of_all_ranks))
}

fn part(bytes: u64, numerator: u64, denominator: u64) -> u64 {
    let part = (u128::from(bytes) * u128::from(numerator)).div_ceil(u128::from(denominator.max(1)));
    u64::try_from(part).unwrap_or(u64::MAX).min(bytes)
}

/// Bytes of keys and values of one sequence on one GPU.
fn cache(architecture: &Architecture, load: &Load, tokens: u64) -> u64 {
    let number = match load.cache {
        CacheType::Auto => architecture.dtype_bytes,
        CacheType::Fp8 => 1,
    };
    architecture.kept(tokens, load.split).saturating_mul(number)
}

/// Of one layer at a time: the residual stream, its norm, queries and the result of attention (four times `hidden`), and both
/// halves of the feed-forward part, which is split; and the logits of the sequences that get a token.
fn activations(architecture: &Architecture, load: &Load) -> u64 {
    let split = architecture.intermediate.div_ceil(load.split).saturating_mul(2);
    let of_token = architecture.hidden.saturating_mul(4).saturating_add(split).saturating_mul(architecture.dtype_bytes);
    let logits = architecture.vocabulary.saturating_mul(load.batched_sequences).saturating_mul(LOGIT);
    of_token.saturating_mul(load.batched_tokens).saturating_add(logits)
}

/// Grows with the context, so it is found by halving.
fn largest_context(architecture: &Architecture, load: &Load, left: u64) -> u64 {
    let (mut fits, mut too_long) = (0, architecture.context.unwrap_or(u64::from(u32::MAX)).saturating_add(1));
    while too_long - fits > 1 {
        let middle = fits + (too_long - fits) / 2;
        if cache(architecture, load, middle) <= left { fits = middle } else { too_long = middle }
    }
    fits
}
