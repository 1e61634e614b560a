use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ModelType;

/// A whole desired state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Version of this format; always 1.
    pub version: u32,
    /// The models that clients can name.
    #[serde(default)]
    pub models: Vec<Model>,
    /// How deployments are chosen and how long they are waited for.
    #[serde(default)]
    pub routing: Routing,
    /// How the books behave.
    #[serde(default)]
    pub ledger: Ledger,
}

/// One public name and what serves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Public name, as clients put it into `"model"`; may hold `/`.
    pub name: String,
    /// What the model does.
    #[serde(rename = "type")]
    pub model_type: ModelType,
    /// What can serve it; requests are spread over all that are healthy.
    #[serde(default)]
    pub deployments: Vec<Deployment>,
    /// What it costs; free unless set.
    #[serde(default)]
    pub price: Price,
    /// Whether `/open/<name>/` serves it to any bearer token.
    #[serde(default)]
    pub open_access: bool,
    /// How a deployment is chosen; `routing.strategy` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
}

/// One target that can serve a model: exactly one of `endpoint` and `engine`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Given once and kept for ever; made when the document is applied, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A service that runs elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// A program that Enginehouse starts and supervises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
}

/// A service that runs elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Which dialect it speaks.
    #[serde(default)]
    pub provider: Provider,
    /// Base address with the version, as `http://127.0.0.1:8000/v1`.
    pub url: String,
    /// Name of the model there; the public name unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What is presented there as bearer token: `os.environ/NAME`, or null for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Share of the traffic under `simple-shuffle`, from 0 to 1,000; 0 takes none.
    #[serde(default = "one")]
    pub weight: u32,
    /// Requests a minute that it takes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens a minute that it takes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
}

/// The dialect of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Anything that speaks OpenAI's API: vLLM, llama.cpp, another gateway.
    #[default]
    OpenaiCompatible,
    /// OpenAI itself.
    Openai,
}

/// A program that Enginehouse starts and supervises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Hugging Face id, or a local folder (with `./`, `../` or `/` in front).
    pub source: String,
    /// Branch, tag or commit of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Where it runs.
    #[serde(default)]
    pub runtime: Runtime,
    /// The command, for `runtime: process`. `{source}`, `{name}`, `{port}` and `{socket}` are filled in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// GPUs that it gets: indices, UUIDs or `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
    /// Instances that run at once, 1 to 8.
    #[serde(default = "one")]
    pub replicas: u32,
    /// How weights are quantized: `auto`, `fp8`, `awq`, `gptq`, `bitsandbytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// Tokens of prompt and answer together that a request may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_model_len: Option<u32>,
    /// More arguments, after those that Enginehouse makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment of the program; a value may be `os.environ/NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Seconds from start to healthy before the start counts as failed; the model type's default unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timeout: Option<u32>,
}

/// Where engines run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// In a container.
    #[default]
    Docker,
    /// As a local process.
    Process,
}

/// One GPU as people name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Gpu {
    /// By index, as `nvidia-smi` counts.
    Index(u32),
    /// By UUID, `all`, or the name of a slice.
    Name(String),
}

/// How one of several deployments is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The one with the fewest requests in flight.
    #[default]
    LeastBusy,
    /// One at random, in proportion to the weights.
    SimpleShuffle,
}

/// What a model costs, in units of the one currency of the installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Per 1,000,000 prompt tokens.
    #[serde(default)]
    pub input: f64,
    /// Per 1,000,000 prompt tokens that the engine had cached; `input` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Per 1,000,000 completion tokens.
    #[serde(default)]
    pub output: f64,
    /// Per image.
    #[serde(default)]
    pub image: f64,
    /// Per second of audio.
    #[serde(default)]
    pub audio_second: f64,
    /// Per character spoken.
    #[serde(default)]
    pub character: f64,
    /// Per search unit.
    #[serde(default)]
    pub search: f64,
    /// Per request.
    #[serde(default)]
    pub request: f64,
}

/// How deployments are chosen and how long they are waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Routing {
    /// How a deployment is chosen where the model says nothing else.
    pub strategy: Strategy,
    /// Further tries after a failed one, 0 to 7, as long as nothing was sent to the client.
    pub retries: u32,
    /// Failures in a row after which a replica is left alone for `cooldown_seconds`.
    pub allowed_fails: u32,
    /// How long a failing replica is left alone, in seconds.
    pub cooldown_seconds: f64,
    /// Time-outs of one attempt.
    pub timeouts: Timeouts,
}

/// Time-outs of one attempt, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// To reach the engine.
    pub connect: f64,
    /// From sending the request to the first byte of the answer.
    pub first_byte: f64,
    /// Between two pieces of a streamed answer.
    pub between_bytes: f64,
    /// The whole attempt.
    pub total: f64,
}

/// How the books behave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// What happens to requests when nothing can be written.
    pub on_full: OnFull,
}

/// What happens to requests when the spool is full or cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFull {
    /// They get 503 `books_unavailable`.
    #[default]
    Refuse,
    /// They are served and counted in bounded memory.
    Serve,
}

// === impl Document ===

impl Default for Document {
    fn default() -> Self {
        Self { version: 1, models: Vec::new(), routing: Routing::default(), ledger: Ledger::default() }
    }
}

// === impl Routing ===

impl Default for Routing {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            retries: 2,
            allowed_fails: 3,
            cooldown_seconds: 5.0,
            timeouts: Timeouts::default(),
        }
    }
}

// === impl Timeouts ===

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: 5.0, first_byte: 600.0, between_bytes: 300.0, total: 1800.0 }
    }
}

const fn one() -> u32 {
    1
}
