use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// An image that is built here: another one, and packages on top of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: a recipe")]
pub struct Recipe {
    /// Its name among the recipes. Lower-case letters, digits and `-` between them.
    #[schemars(regex(pattern = "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"))]
    pub name: String,
    /// What it starts from: `vllm`, `vllm-omni` (those that apply, see `defaults.images`), or the name of an image.
    #[serde(default = "vllm", skip_serializing_if = "is_vllm")]
    #[schemars(length(min = 1))]
    pub base: String,
    /// Packages of the system: `ffmpeg`, `libsndfile1=1.2.2-2`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::PACKAGES))]
    pub apt: Vec<String>,
    /// Packages of Python, each in one version: `librosa==0.10.2`, `vllm[audio]==0.32.0`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::PACKAGES))]
    pub pip: Vec<String>,
}

// === impl Recipe ===

impl Recipe {
    /// The base that means vLLM's image.
    pub const VLLM: &str = "vllm";
    /// The base that means vLLM-Omni's image.
    pub const VLLM_OMNI: &str = "vllm-omni";
}

fn vllm() -> String {
    Recipe::VLLM.to_owned()
}

fn is_vllm(base: &str) -> bool {
    base == Recipe::VLLM
}
