mod alias;
mod cache;
mod cause_policy;
mod cost;
mod credential;
mod defaults;
mod deployment;
mod endpoint;
mod engine;
mod gpu;
mod housekeeping;
mod ledger;
mod limits;
mod model;
mod passthrough;
mod price;
mod recipe;
mod requests;
mod routing;
mod strategy;
mod unique_map;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    alias::{Alias, ShownAlias},
    cache::Cache,
    cause_policy::CausePolicy,
    cost::Cost,
    credential::{Credential, SecretText},
    defaults::{Containers, Defaults, DoubleBooking, Fit, Images, Placement, TypeOverrides, UnifiedMemory},
    deployment::Deployment,
    endpoint::{Endpoint, Provider},
    engine::{Engine, Runtime},
    gpu::Gpu,
    housekeeping::Housekeeping,
    ledger::{Ledger, OnFull},
    limits::Limits,
    model::Model,
    passthrough::Passthrough,
    price::Price,
    recipe::Recipe,
    requests::Requests,
    routing::{Fallbacks, Routing, TimeoutOverrides, Timeouts},
    strategy::{Strategy, UnknownStrategy},
};
use crate::limits as bounds;

/// A whole desired state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: a desired state")]
#[schemars(title = "Enginehouse desired state", example = crate::schema::example())]
pub struct Document {
    /// Version of this format; always 1.
    #[schemars(extend("const" = bounds::VERSION))]
    pub version: u32,
    /// The models that clients can name.
    #[serde(default)]
    pub models: Vec<Model>,
    /// What engines get unless they say otherwise.
    #[serde(default, skip_serializing_if = "Defaults::is_empty")]
    pub defaults: Defaults,
    /// Secrets that endpoints refer to by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
    /// Images that are built here, which engines refer to by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipes: Vec<Recipe>,
    /// Other names for models, by which all clients can call them (LiteLLM's `model_group_alias`).
    #[serde(default, deserialize_with = "unique_map::unique_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, Alias>,
    /// How deployments are chosen, how long they are waited for, and what takes over when a model fails.
    #[serde(default)]
    pub routing: Routing,
    /// How the books behave.
    #[serde(default)]
    pub ledger: Ledger,
    /// Whether answers are kept and given again.
    #[serde(default)]
    pub cache: Cache,
    /// How large requests and answers may be.
    #[serde(default)]
    pub requests: Requests,
    /// What all requests together may use, whoever sends them and to whichever model.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// What is cleaned up, and when.
    #[serde(default)]
    pub housekeeping: Housekeeping,
    /// What stands in rendered files beside what Enginehouse puts there.
    #[serde(default, skip_serializing_if = "Passthrough::is_empty")]
    pub passthrough: Passthrough,
}

// === impl Document ===

impl Default for Document {
    fn default() -> Self {
        Self {
            version: bounds::VERSION,
            models: Vec::new(),
            defaults: Defaults::default(),
            credentials: Vec::new(),
            recipes: Vec::new(),
            aliases: BTreeMap::new(),
            routing: Routing::default(),
            ledger: Ledger::default(),
            cache: Cache::default(),
            requests: Requests::default(),
            limits: Limits::default(),
            housekeeping: Housekeeping::default(),
            passthrough: Passthrough::default(),
        }
    }
}

const fn one() -> u32 {
    1
}
