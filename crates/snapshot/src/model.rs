use std::path::PathBuf;
use std::sync::Arc;

use ledger::Price;
use serde::{Deserialize, Serialize};
use spec::{CausePolicy, ModelType, Strategy};

use crate::{Fallbacks, Limits, Secret, Spent, Timeouts};

/// A model that clients can name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Public name.
    pub name: Arc<str>,
    /// What it does.
    pub model_type: ModelType,
    /// What it costs.
    pub price: Price,
    /// What all requests to it together may use.
    pub limits: Limits,
    /// What they had spent together.
    pub spent: Spent,
    /// Tokens of prompt and answer together, where known.
    pub context_length: Option<u32>,
    /// How a deployment is chosen.
    pub strategy: Strategy,
    /// Which models take over when it fails.
    #[serde(default)]
    pub fallbacks: Fallbacks,
    /// Further tries after a failed one, where they differ from the settings.
    #[serde(default)]
    pub retries: Option<u32>,
    /// The same by cause.
    #[serde(default)]
    pub retry_policy: CausePolicy,
    /// When it was first served, in seconds since the epoch (OpenAI's `created`).
    pub created: i64,
    /// Whether the open routes lead to it, as long as they are open at all.
    pub open_access: bool,
    /// What can serve it. Empty while nothing is up: the model is known, and answers 503.
    pub deployments: Vec<Deployment>,
}

/// One deployment with the replicas that live now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Lasts through revisions.
    pub id: Arc<str>,
    /// Name of the model towards the engine.
    pub upstream_model: Arc<str>,
    /// Share under simple-shuffle.
    pub weight: u32,
    /// What is presented as bearer token.
    pub credential: Option<Secret>,
    /// Path probed on each replica by active health checks; none for remote endpoints, whose probes may be billed.
    pub health_path: Option<String>,
    /// Requests a minute that it takes at most.
    pub rpm: Option<u64>,
    /// Tokens a minute that it takes at most.
    #[serde(default)]
    pub tpm: Option<u64>,
    /// Those with a higher number are asked only where none with a lower one is left.
    #[serde(default)]
    pub order: u32,
    /// Tokens that a prompt may have, where known.
    #[serde(default)]
    pub max_input_tokens: Option<u32>,
    /// What a million tokens of prompt and a million of answer cost together, in nano-units, where known.
    #[serde(default)]
    pub cost: Option<u64>,
    /// Time-outs of one attempt.
    pub timeouts: Timeouts,
    /// Where it is reached.
    pub replicas: Vec<Replica>,
}

/// One running instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Replica {
    /// `<deployment id>/<number>`.
    pub id: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// Path in front of the surface, without a slash at the end: `/v1`.
    pub base_path: String,
}

/// Where a replica listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// Plain HTTP: `127.0.0.1:8000`.
    Http(String),
    /// HTTPS: `api.example.com:443`.
    Https(String),
    /// HTTP over a Unix socket.
    Unix(PathBuf),
}
