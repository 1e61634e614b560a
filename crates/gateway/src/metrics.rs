//! Counters in memory and their exposition. Labels come from the model table and from fixed words, never
//! from what clients send, so their number is bounded.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ledger::{Health, Outcome, Usage};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use snapshot::ModelType;

use crate::route::DeploymentState;
use crate::serving::Serving;
use crate::surface::Api;

mod now;
mod process;

use now::Now;
use process::Process;

/// All metrics of the gateway.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// What carries no prefix, because every program has it.
    common: Registry,
    now: Now,
    process: Process,
    families: Families,
    rejections: Family<RejectionLabels, Counter>,
    /// Epoch of the snapshot that is served.
    pub(crate) epoch: Gauge,
}

/// The metrics of one model, looked up once per snapshot.
#[derive(Debug)]
pub(crate) struct ModelMetrics {
    labels: ModelLabels,
    families: Families,
    /// Of requests that ended well, by API: most do, and a counter that is known needs not be found by its labels.
    completed: [OnceLock<Counter>; Api::ALL.len()],
    in_flight: Gauge,
    prompt_tokens: Counter,
    cached_tokens: Counter,
    completion_tokens: Counter,
    duration: Histogram,
    first_byte: Histogram,
    overhead: Histogram,
}

/// The metrics of one request, ended once.
#[derive(Debug)]
pub(crate) struct RequestMetrics {
    model: Arc<ModelMetrics>,
    api: Api,
    is_ended: bool,
}

#[derive(Clone, Debug)]
struct Families {
    requests: Family<RequestLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    broken_streams: Family<AttemptLabels, Counter>,
    in_flight: Family<ModelLabels, Gauge>,
    tokens: Family<TokenLabels, Counter>,
    cache: Family<CacheLabels, Counter>,
    fallbacks: Family<FallbackLabels, Counter>,
    duration: Family<ModelLabels, Histogram, fn() -> Histogram>,
    first_byte: Family<ModelLabels, Histogram, fn() -> Histogram>,
    overhead: Family<ModelLabels, Histogram, fn() -> Histogram>,
}

/// A shared name as label value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name(Arc<str>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model_name: Name,
    model_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    model_name: Name,
    model_type: &'static str,
    endpoint: &'static str,
    status: u16,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    model_name: Name,
    model_type: &'static str,
    deployment: Name,
    fault: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    model_name: Name,
    model_type: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    model_name: Name,
    model_type: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FallbackLabels {
    model_name: Name,
    model_type: &'static str,
    fallback_model: Name,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectionLabels {
    code: &'static str,
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("enginehouse");
        let families = Families::default();
        let (rejections, epoch) = (Family::default(), Gauge::default());
        registry.register("requests", "Requests that were admitted and have ended", families.requests.clone());
        registry.register(
            "attempts",
            "Tries at deployments; fault is empty for those that were answered",
            families.attempts.clone(),
        );
        registry.register(
            "broken_streams",
            "Answers that broke off after they had begun; fault says why",
            families.broken_streams.clone(),
        );
        registry.register("requests_in_flight", "Requests that run now", families.in_flight.clone());
        registry.register(
            "tokens",
            "Tokens by kind: prompt (cached ones included), cached, completion",
            families.tokens.clone(),
        );
        registry.register(
            "cache_requests",
            "Requests that the response cache was asked for, by result: hit, miss, coalesced",
            families.cache.clone(),
        );
        registry.register(
            "fallbacks",
            "Requests that were passed on to another model; reason says why the one before failed",
            families.fallbacks.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from admission to the end",
            Unit::Seconds,
            families.duration.clone(),
        );
        registry.register_with_unit(
            "time_to_first_byte",
            "Time from admission to the first byte relayed",
            Unit::Seconds,
            families.first_byte.clone(),
        );
        registry.register_with_unit(
            "overhead",
            "Time from the whole request to the head of the answer that was not spent on engines",
            Unit::Seconds,
            families.overhead.clone(),
        );
        registry.register("rejections", "Requests that were refused, by error code", rejections.clone());
        registry.register("snapshot_epoch", "Epoch of the snapshot that is served", epoch.clone());
        let now = Now::register(&mut registry);
        let mut common = Registry::default();
        let process = Process::register(&mut common);
        Self { registry, common, now, process, families, rejections, epoch }
    }

    /// The metrics of a model.
    pub(crate) fn of_model(&self, name: &Arc<str>, model_type: ModelType) -> Arc<ModelMetrics> {
        let labels = ModelLabels { model_name: Name(name.clone()), model_type: model_type.as_str() };
        let tokens = |kind| {
            let ModelLabels { model_name, model_type } = labels.clone();
            self.families.tokens.get_or_create_owned(&TokenLabels { model_name, model_type, kind })
        };
        Arc::new(ModelMetrics {
            completed: Default::default(),
            in_flight: self.families.in_flight.get_or_create_owned(&labels),
            prompt_tokens: tokens("prompt"),
            cached_tokens: tokens("cached"),
            completion_tokens: tokens("completion"),
            duration: self.families.duration.get_or_create_owned(&labels),
            first_byte: self.families.first_byte.get_or_create_owned(&labels),
            overhead: self.families.overhead.get_or_create_owned(&labels),
            families: self.families.clone(),
            labels,
        })
    }

    /// A request was refused.
    pub(crate) fn rejected(&self, code: &'static str) {
        self.rejections.get_or_create(&RejectionLabels { code }).inc();
    }

    /// All metrics in OpenMetrics' text format.
    pub(crate) fn expose(&self, serving: &Serving, books: &Health, buffered: usize) -> String {
        let _looking = self.now.looking.lock();
        self.now.observe(serving, books, buffered);
        self.process.observe();
        let mut page = String::new();
        let written = text::encode_registry(&mut page, &self.registry)
            .and_then(|()| text::encode_registry(&mut page, &self.common))
            .and_then(|()| text::encode_eof(&mut page));
        match written {
            Ok(()) => page,
            Err(fmt::Error) => "# EOF\n".to_owned(),
        }
    }
}

// === impl ModelMetrics ===

impl ModelMetrics {
    /// The cache was asked, with this result.
    pub(crate) fn cache_asked(&self, result: &'static str) {
        let ModelLabels { model_name, model_type } = self.labels.clone();
        let labels = CacheLabels { model_name, model_type, result };
        self.families.cache.get_or_create(&labels).inc();
    }

    /// A request goes on to `other`, for this reason.
    pub(crate) fn fell_back(&self, other: &Self, reason: &'static str) {
        let ModelLabels { model_name, model_type } = self.labels.clone();
        let labels = FallbackLabels { model_name, model_type, fallback_model: other.labels.model_name.clone(), reason };
        self.families.fallbacks.get_or_create(&labels).inc();
    }

    /// A request of this model begins.
    pub(crate) fn begin(self: &Arc<Self>, api: Api) -> RequestMetrics {
        self.in_flight.inc();
        RequestMetrics { model: self.clone(), api, is_ended: false }
    }

    /// Counts one that has ended.
    fn ended(&self, api: Api, status: u16, outcome: Outcome) {
        let find = || {
            let ModelLabels { model_name, model_type } = self.labels.clone();
            let (endpoint, outcome) = (api.as_str(), outcome.as_str());
            let labels = RequestLabels { model_name, model_type, endpoint, status, outcome };
            self.families.requests.get_or_create_owned(&labels)
        };
        match (outcome, status) {
            (Outcome::Completed, 200) => self.completed[api as usize].get_or_init(find).inc(),
            _ => find().inc(),
        };
    }
}

// === impl RequestMetrics ===

impl RequestMetrics {
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    pub(crate) fn attempted(&self, deployment: &DeploymentState, fault: &'static str) {
        let find = || {
            let ModelLabels { model_name, model_type } = self.model.labels.clone();
            let deployment = Name(deployment.deployment.id.clone());
            let labels = AttemptLabels { model_name, model_type, deployment, fault };
            self.model.families.attempts.get_or_create_owned(&labels)
        };
        match fault {
            "" => deployment.answered.get_or_init(find).inc(),
            _ => find().inc(),
        };
    }

    pub(crate) fn broke_off(&self, deployment: &str, fault: &'static str) {
        let ModelLabels { model_name, model_type } = self.model.labels.clone();
        let labels = AttemptLabels { model_name, model_type, deployment: Name(deployment.into()), fault };
        self.model.families.broken_streams.get_or_create(&labels).inc();
    }

    pub(crate) fn first_byte(&self, after: Duration, overhead: Duration) {
        self.model.first_byte.observe(after.as_secs_f64());
        self.model.overhead.observe(overhead.as_secs_f64());
    }

    pub(crate) fn end(&mut self, outcome: Outcome, status: u16, usage: &Usage, after: Duration) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        let model = &self.model;
        model.ended(self.api, status, outcome);
        model.in_flight.dec();
        model.prompt_tokens.inc_by(usage.prompt_tokens);
        model.cached_tokens.inc_by(usage.cached_tokens);
        model.completion_tokens.inc_by(usage.completion_tokens);
        model.duration.observe(after.as_secs_f64());
    }

    /// Another model serves the request.
    pub(crate) fn move_to(&mut self, model: &Arc<ModelMetrics>) {
        self.model.in_flight.dec();
        model.in_flight.inc();
        self.model = model.clone();
    }

    /// Takes the request back as if it had never come: it could not be written down.
    pub(crate) fn cancel(mut self) {
        self.is_ended = true;
        self.model.in_flight.dec();
    }
}

impl Drop for RequestMetrics {
    /// Dropped before its end: the client went away while the request was written down.
    fn drop(&mut self) {
        self.end(Outcome::Disconnected, 0, &Usage::default(), Duration::ZERO);
    }
}

// === impl Families ===

impl Default for Families {
    fn default() -> Self {
        // From 10 ms to 11 min, from 5 ms to 3 min, and from 10 µs to 0.3 s.
        let duration: fn() -> Histogram = || Histogram::new(exponential_buckets(0.01, 2.0, 17));
        let first_byte: fn() -> Histogram = || Histogram::new(exponential_buckets(0.005, 2.0, 16));
        let overhead: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_01, 2.0, 16));
        Self {
            requests: Family::default(),
            attempts: Family::default(),
            broken_streams: Family::default(),
            in_flight: Family::default(),
            tokens: Family::default(),
            cache: Family::default(),
            fallbacks: Family::default(),
            duration: Family::new_with_constructor(duration),
            first_byte: Family::new_with_constructor(first_byte),
            overhead: Family::new_with_constructor(overhead),
        }
    }
}

// === impl Name ===

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        EncodeLabelValue::encode(&&*self.0, encoder)
    }
}
