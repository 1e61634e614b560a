use std::sync::Arc;

use snapshot::{RoutingSettings, Strategy};

use super::DeploymentState;

/// What deployments take down about requests, because a strategy goes by it somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tracks {
    /// Tokens of this minute.
    pub(crate) usage: bool,
    /// How long answers took.
    pub(crate) latency: bool,
}

/// What a request wants of a deployment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need<'a> {
    pub(crate) strategy: Strategy,
    /// Tokens of the prompt, by estimate.
    pub(crate) prompt_tokens: u64,
    /// Whether a stream is asked for.
    pub(crate) stream: bool,
    /// Whether deployments whose context is too short are left out.
    pub(crate) checks_context: bool,
    /// Share of the lowest latency by which others may be slower.
    pub(crate) latency_buffer: f64,
    pub(crate) tracks: Tracks,
    /// Replicas that failed it already, by their ids.
    pub(crate) tried: &'a [Arc<str>],
}

// === impl Tracks ===

impl Tracks {
    /// What has to be taken down for `strategies`.
    pub(crate) fn of(strategies: impl Iterator<Item = Strategy>) -> Self {
        strategies.fold(Self::default(), |tracks, strategy| Self {
            usage: tracks.usage || strategy.counts_usage(),
            latency: tracks.latency || strategy == Strategy::LatencyBasedRouting,
        })
    }
}

// === impl Need ===

impl<'a> Need<'a> {
    /// Of a prompt of so many tokens, under what holds for everybody.
    pub(crate) fn new(strategy: Strategy, prompt_tokens: u64, stream: bool, settings: &RoutingSettings) -> Self {
        Self {
            strategy,
            prompt_tokens,
            stream,
            checks_context: settings.pre_call_checks,
            latency_buffer: settings.latency_buffer,
            tracks: Tracks::default(),
            tried: &[],
        }
    }

    /// The same after `tried` have failed.
    pub(crate) fn after(self, tried: &'a [Arc<str>]) -> Self {
        Self { tried, ..self }
    }

    /// Whether the prompt fits in.
    pub(crate) fn fits(&self, deployment: &DeploymentState) -> bool {
        !self.checks_context
            || deployment.deployment.max_input_tokens.is_none_or(|most| self.prompt_tokens <= u64::from(most))
    }

    /// Whether the strategy takes the deployment at all: under weights, 0 takes none.
    pub(super) fn admits(&self, deployment: &DeploymentState) -> bool {
        self.strategy != Strategy::SimpleShuffle || deployment.deployment.weight > 0
    }
}
