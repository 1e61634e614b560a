use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unique_map::unique_map;
use crate::{ModelType, limits};

/// What engines get unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping: what engines get unless they say otherwise")]
pub struct Defaults {
    /// Versions of vLLM and vLLM-Omni.
    #[serde(skip_serializing_if = "Images::is_empty")]
    pub images: Images,
    /// More arguments of every engine in a container, in front of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment of every engine, under its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique_map")]
    pub env: BTreeMap<String, String>,
    /// The same for the engines of a model type, over what is for all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique_map")]
    pub types: BTreeMap<ModelType, TypeOverrides>,
    /// How containers are made.
    #[serde(skip_serializing_if = "Containers::is_usual")]
    pub containers: Containers,
    /// Whether no model is fetched from the Hub because an engine needs it: each must be in the cache before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// How GPUs are given out.
    #[serde(skip_serializing_if = "Placement::is_usual")]
    pub placement: Placement,
    /// For machines whose GPU shares the machine's own memory, as a DGX Spark (GB10).
    #[serde(skip_serializing_if = "UnifiedMemory::is_usual")]
    pub unified_memory: UnifiedMemory,
    /// When a model counts as too large for its GPUs.
    #[serde(skip_serializing_if = "Fit::is_usual")]
    pub fit: Fit,
}

/// How GPUs are given out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping: how GPUs are given out")]
pub struct Placement {
    /// What becomes of engines that together would take more of a GPU's memory than there is.
    pub double_booking: DoubleBooking,
}

/// What becomes of engines that together would take more of a GPU's memory than there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DoubleBooking {
    /// They are not applied, and the one that is too much is not started.
    #[default]
    Refuse,
    /// They are applied with a warning, and each is started once there is memory for it.
    Warn,
}

/// What engines in containers get on a machine whose GPU shares the machine's own memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping: what engines get where GPU and machine share memory")]
pub struct UnifiedMemory {
    /// Share of the memory that an engine takes which says nothing itself, above 0 up to 1: the system and its page cache
    /// need the rest.
    #[schemars(range(max = 1.0))]
    pub gpu_memory_utilization: f64,
    /// More arguments, in front of all others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
}

/// When a model counts as too large for its GPUs. What it takes is an estimate, made before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping: when a model counts as too large")]
pub struct Fit {
    /// Share by which the estimate may exceed what the engine may take of its GPUs, 0 to 10: up to that is a warning, more is
    /// refused.
    #[schemars(range(min = *limits::MARGIN.start(), max = *limits::MARGIN.end()))]
    pub margin: f64,
}

/// Images by program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields, expecting = "a mapping: images by program")]
pub struct Images {
    /// For chat, vision, embedding, rerank and speech-to-text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vllm: Option<String>,
    /// For text-to-speech and image-generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vllm_omni: Option<String>,
}

/// What engines of one model type get unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping: what engines of a type get")]
pub struct TypeOverrides {
    /// Container image; goes before `images`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The recipe of their image, in place of `image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// More arguments in a container, behind those for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment, over that for all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique_map")]
    pub env: BTreeMap<String, String>,
}

/// How containers are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping: how containers are made")]
pub struct Containers {
    /// Docker network that they share; made where it is missing.
    #[schemars(length(min = 1))]
    pub network: String,
    /// Hugging Face cache that they share: a folder of the machine (absolute; the models lie in `hub` of it), or the name of
    /// a Docker volume. The cache of Enginehouse unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// Bytes of shared memory (`/dev/shm`) that each may use: tensor parallelism goes through it.
    #[schemars(range(min = *limits::SHARED_MEMORY_BYTES.start(), max = *limits::SHARED_MEMORY_BYTES.end()))]
    pub shm_bytes: u64,
    /// Bytes of one log file that Docker keeps.
    #[schemars(range(min = *limits::LOG_BYTES.start(), max = *limits::LOG_BYTES.end()))]
    pub log_bytes: u64,
    /// Log files of a container that Docker keeps.
    #[schemars(range(min = *limits::LOG_FILES.start(), max = *limits::LOG_FILES.end()))]
    pub log_files: u32,
}

// === impl Defaults ===

impl Defaults {
    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

// === impl Fit ===

impl Fit {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Fit {
    fn default() -> Self {
        Self { margin: 0.1 }
    }
}

// === impl Images ===

impl Images {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

// === impl Containers ===

impl Containers {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Containers {
    fn default() -> Self {
        Self { network: "llm-network".to_owned(), cache: None, shm_bytes: 16 << 30, log_bytes: 16 << 20, log_files: 3 }
    }
}

// === impl Placement ===

impl Placement {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

// === impl UnifiedMemory ===

impl UnifiedMemory {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for UnifiedMemory {
    fn default() -> Self {
        // What the makers of vLLM give on a DGX Spark.
        Self { gpu_memory_utilization: 0.85, args: Vec::new() }
    }
}
