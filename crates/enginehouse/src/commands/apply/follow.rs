use std::time::Duration;

use anyhow::bail;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::progress::Progress;
use crate::client::{self, Client};

/// Between two looks at a job.
const POLL: Duration = Duration::from_millis(300);
/// The server ends a job itself at the time-out; this much later we stop believing that it will.
const PATIENCE: Duration = Duration::from_secs(30);

/// A job that has ended.
#[derive(Debug)]
pub(in crate::commands) struct Ended {
    view: Job,
    /// The job as the server described it last.
    pub(super) raw: Value,
}

#[derive(Debug, Deserialize)]
struct Job {
    state: String,
    #[serde(default)]
    revision: u64,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    models: Vec<ModelState>,
}

/// One model on its way to ready.
#[derive(Debug, Deserialize)]
pub(super) struct ModelState {
    pub(super) name: String,
    pub(super) state: String,
    #[serde(default)]
    pub(super) ready: u32,
    #[serde(default)]
    pub(super) replicas: u32,
    #[serde(default)]
    pub(super) message: Option<String>,
}

/// Follows a job until it ends, showing what happens. Without a time-out the server knows when.
pub(in crate::commands) async fn job(client: &Client, id: &str, timeout: Option<Duration>) -> anyhow::Result<Ended> {
    let path = format!("/api/v1/jobs/{}", client::segment(id));
    let mut progress = Progress::new();
    let give_up = timeout.map(|timeout| (Instant::now() + timeout + PATIENCE, timeout));
    loop {
        let raw = client.get(&path).await?;
        let view: Job = client::view(&raw)?;
        progress.show(&view.models);
        if view.state != "running" {
            return Ok(Ended { view, raw });
        }
        if let Some((_, timeout)) = give_up.filter(|(at, _)| Instant::now() > *at) {
            bail!("job {id} still runs after {timeout:?}: see `enginehouse model list`");
        }
        sleep(POLL).await;
    }
}

// === impl Ended ===

impl Ended {
    /// Whether everything came up; an error that says what did not.
    pub(in crate::commands) fn verdict(&self) -> anyhow::Result<()> {
        let Job { state, revision, message, models } = &self.view;
        let behind = models.iter().filter(|model| model.state != "ready").map(|model| model.name.as_str());
        let behind = behind.collect::<Vec<_>>().join(", ");
        let why =
            message.as_deref().filter(|text| !text.is_empty()).map(|text| format!(": {text}")).unwrap_or_default();
        match state.as_str() {
            "succeeded" => Ok(()),
            "rolled_back" => bail!("rolled back, revision {revision} is undone; not ready: {behind}{why}"),
            _ => bail!("not all models are ready ({behind}){why}; revision {revision} stands"),
        }
    }
}
