mod cache;
mod deployment;
mod endpoint;
mod engine;
mod gpu;
mod ledger;
mod model;
mod price;
mod routing;
mod unique_map;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    cache::Cache,
    deployment::Deployment,
    endpoint::{Endpoint, Provider},
    engine::{Engine, Runtime},
    gpu::Gpu,
    ledger::{Ledger, OnFull},
    model::Model,
    price::Price,
    routing::{Routing, Strategy, Timeouts},
};
use crate::limits;

/// A whole desired state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: a desired state")]
#[schemars(title = "Enginehouse desired state", example = crate::schema::example())]
pub struct Document {
    /// Version of this format; always 1.
    #[schemars(extend("const" = limits::VERSION))]
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
    /// Whether answers are kept and given again.
    #[serde(default)]
    pub cache: Cache,
}

// === impl Document ===

impl Default for Document {
    fn default() -> Self {
        Self {
            version: limits::VERSION,
            models: Vec::new(),
            routing: Routing::default(),
            ledger: Ledger::default(),
            cache: Cache::default(),
        }
    }
}

const fn one() -> u32 {
    1
}
