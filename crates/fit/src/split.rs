use crate::{Architecture, Attention};

/// The most GPUs that are tried when one is asked what would fit.
const MOST: u64 = 64;

/// Heads cannot be dealt out evenly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{heads} attention heads{} cannot be split over {split} GPUs; {} would do", shown(*kv_heads), list(fitting))]
pub struct UnfitSplit {
    /// GPUs that were asked for.
    pub split: u64,
    /// Heads of queries.
    pub heads: u64,
    /// Heads of keys and values, where they are others.
    pub kv_heads: Option<u64>,
    /// Numbers of GPUs that would do, the nearest below and above.
    pub fitting: Vec<u64>,
}

/// Whether each of `split` GPUs gets as many heads: the heads of queries are divisible, and those of keys and values are too,
/// or else each is copied to as many GPUs.
pub fn check_split(architecture: &Architecture, split: u64) -> Result<(), UnfitSplit> {
    if fits(architecture, split) {
        return Ok(());
    }
    let all = fitting_splits(architecture, MOST);
    let below = all.iter().rev().find(|fitting| **fitting < split);
    let above = all.iter().find(|fitting| **fitting > split);
    Err(UnfitSplit {
        split,
        heads: architecture.heads,
        kv_heads: kv_heads(architecture).filter(|kv_heads| *kv_heads != architecture.heads),
        fitting: below.into_iter().chain(above).copied().collect(),
    })
}

/// Numbers of GPUs, up to `most`, that would do.
pub fn fitting_splits(architecture: &Architecture, most: u64) -> Vec<u64> {
    (1..=most.min(architecture.heads)).filter(|split| fits(architecture, *split)).collect()
}

fn fits(architecture: &Architecture, split: u64) -> bool {
    let dealt = |heads: u64| heads.is_multiple_of(split) || split.is_multiple_of(heads);
    split > 0 && architecture.heads.is_multiple_of(split) && kv_heads(architecture).is_none_or(dealt)
}

const fn kv_heads(architecture: &Architecture) -> Option<u64> {
    match architecture.attention {
        Attention::Heads { kv_heads, .. } => Some(kv_heads),
        Attention::Latent { .. } => None,
    }
}

fn shown(kv_heads: Option<u64>) -> String {
    kv_heads.map(|kv_heads| format!(" ({kv_heads} of keys and values)")).unwrap_or_default()
}

fn list(fitting: &[u64]) -> String {
    fitting.iter().map(u64::to_string).collect::<Vec<_>>().join(" or ")
}
