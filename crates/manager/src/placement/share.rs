use serde::{Deserialize, Serialize};
use spec::{Engine, Runtime, UnifiedMemory};
use utoipa::ToSchema;

use super::Device;
use crate::options::options;

/// Share of a GPU's memory that vLLM 0.32 takes by itself (`vllm/config/cache.py`).
const OF_VLLM: f64 = 0.92;
/// vLLM's option, of which it takes abbreviations.
const OPTION: &str = "--gpu-memory-utilization";
/// Characters of an abbreviation that nothing else could be meant by.
const SHORTEST: usize = "--gpu-m".len();

/// How much of each of its GPUs an engine takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share {
    /// Above 0, up to 1.
    pub(crate) value: f64,
    pub(crate) origin: Origin,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    /// The document, by field or by argument.
    Document,
    /// The default where GPU and machine share memory.
    UnifiedMemory,
    /// vLLM's own default.
    Vllm,
    /// Nobody: it is another program.
    Unknown,
}

/// The share of an engine that is started with these words.
pub(crate) fn share(engine: &Engine, words: &[String], devices: &[Device], unified: &UnifiedMemory) -> Share {
    let said = stated(words).or(engine.gpu_memory_utilization).filter(|share| *share > 0.0 && *share <= 1.0);
    if let Some(value) = said {
        return Share { value, origin: Origin::Document };
    }
    let is_ours = engine.runtime == Runtime::Docker && engine.command.is_empty();
    if is_ours && devices.iter().any(Device::is_unified) {
        let said = stated(&unified.args).unwrap_or(unified.gpu_memory_utilization);
        return Share { value: said, origin: Origin::UnifiedMemory };
    }
    let is_vllm = is_ours || engine.command.iter().any(|word| word.rsplit('/').next() == Some("vllm"));
    Share { value: OF_VLLM, origin: if is_vllm { Origin::Vllm } else { Origin::Unknown } }
}

/// What arguments say; the last one counts.
fn stated(words: &[String]) -> Option<f64> {
    let mut found = None;
    for (name, value) in options(words) {
        if name.len() >= SHORTEST && OPTION.starts_with(&name) {
            found = value.parse().ok().or(found);
        }
    }
    found
}
