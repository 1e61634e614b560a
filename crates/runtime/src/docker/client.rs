use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker as Api;
use parking_lot::Mutex;

use super::DockerError;
use super::connect::{USUAL, connect, silent};

/// How long a short question may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One Docker daemon, there or not. Cheap to clone.
#[derive(Clone)]
pub struct Docker(Arc<Inner>);

struct Inner {
    host: String,
    /// The client as it was connected last; none before, and after the daemon went away: it may come back as another
    /// version.
    api: Mutex<Option<Api>>,
    /// Held while networks are made.
    networks: tokio::sync::Mutex<()>,
}

// === impl Docker ===

impl Docker {
    /// At `host` (what `DOCKER_HOST` says), else at the usual socket. Connects when it is asked something.
    pub fn new(host: Option<String>) -> Self {
        let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| USUAL.to_owned());
        Self(Arc::new(Inner { host, api: Mutex::new(None), networks: tokio::sync::Mutex::new(()) }))
    }

    /// Where it listens.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    pub(super) async fn network_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.networks.lock().await
    }

    /// Asks something that is answered soon.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(Api) -> Result<T, bollard::errors::Error>,
    ) -> Result<T, DockerError> {
        self.ask_for(PATIENCE, question).await
    }

    /// Asks something that may take as long as `patience`.
    pub(super) async fn ask_for<T>(
        &self,
        patience: Duration,
        question: impl AsyncFnOnce(Api) -> Result<T, bollard::errors::Error>,
    ) -> Result<T, DockerError> {
        let api = self.api().await?;
        let answer = match tokio::time::timeout(patience, question(api)).await {
            Ok(answer) => answer.map_err(|error| DockerError::of(&self.0.host, error)),
            Err(_) => Err(silent(&self.0.host, patience)),
        };
        answer.inspect_err(|error| self.forget_if_away(error))
    }

    pub(super) async fn api(&self) -> Result<Api, DockerError> {
        let known = self.0.api.lock().clone();
        if let Some(api) = known {
            return Ok(api);
        }
        let api = connect(&self.0.host).await?;
        *self.0.api.lock() = Some(api.clone());
        Ok(api)
    }

    pub(super) fn forget_if_away(&self, error: &DockerError) {
        if error.is_away() {
            *self.0.api.lock() = None;
        }
    }
}

impl fmt::Debug for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Docker").field(&self.0.host).finish()
    }
}
