use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Gpu, one, unique_map::unique_map};
use crate::limits;

/// A program that Enginehouse starts and supervises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: an engine")]
pub struct Engine {
    /// Hugging Face id, or a local folder (with `./`, `../` or `/` in front).
    #[schemars(length(min = 1))]
    pub source: String,
    /// Branch, tag or commit of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub revision: Option<String>,
    /// Where it runs.
    #[serde(default)]
    pub runtime: Runtime,
    /// The command, for `runtime: process`. `{source}`, `{name}`, `{port}` and `{socket}` are filled in. In a container
    /// it goes in place of what the image starts, with all its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Container image, in place of the model type's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub image: Option<String>,
    /// The recipe of its image, in place of the model type's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub recipe: Option<String>,
    /// Port on 127.0.0.1 of the machine that leads to it, for `runtime: docker`; with replicas the first of as many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub host_port: Option<u16>,
    /// GPUs that it gets: indices, UUIDs or `all`. Their count is divisible by `replicas`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
    /// Instances that run at once, 1 to 8.
    #[serde(default = "one")]
    #[schemars(range(min = *limits::REPLICAS.start(), max = *limits::REPLICAS.end()))]
    pub replicas: u32,
    /// How weights are quantized: `auto`, `fp8`, `awq`, `gptq`, `bitsandbytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub quantization: Option<String>,
    /// Tokens of prompt and answer together that a request may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_model_len: Option<u32>,
    /// How the KV cache is kept: `auto`, `fp8` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub kv_cache_dtype: Option<String>,
    /// GPUs that work on one request together; those of a replica unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::GPUS))]
    pub tensor_parallel_size: Option<u32>,
    /// Share of each GPU's memory that it takes, above 0 up to 1; vLLM's own default unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1.0))]
    pub gpu_memory_utilization: Option<f64>,
    /// Tokens that it works on in one step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_num_batched_tokens: Option<u32>,
    /// How calls of tools are read from answers; switches tools on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub tool_call_parser: Option<String>,
    /// How reasoning is told from the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub reasoning_parser: Option<String>,
    /// How conversations become prompts, in place of what the model brings: the text of a Jinja template. Where the document is
    /// a file, a path relative to that, which is replaced by what the file holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TEMPLATE_BYTES))]
    pub chat_template: Option<String>,
    /// Whether code that comes with the model may run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trust_remote_code: bool,
    /// CPUs that each replica may use, for `runtime: docker`; all unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = *limits::CPUS.start(), max = *limits::CPUS.end()))]
    pub cpus: Option<f64>,
    /// Bytes of the machine's own memory that each replica may use, for `runtime: docker`; all unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = *limits::MEMORY_BYTES.start(), max = *limits::MEMORY_BYTES.end()))]
    pub memory_bytes: Option<u64>,
    /// More arguments, after those that Enginehouse makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment of the program; a value may be `os.environ/NAME`, and that of a name that ends in `KEY`, `TOKEN`,
    /// `SECRET` or `PASSWORD` must.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique_map")]
    pub env: BTreeMap<String, String>,
    /// Seconds from start to healthy before the start counts as failed; the model type's default unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::SECONDS))]
    pub start_timeout: Option<u32>,
}

/// Where engines run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// In a container.
    #[default]
    Docker,
    /// As a local process.
    Process,
}
