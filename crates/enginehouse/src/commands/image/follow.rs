use std::time::Duration;

use anyhow::bail;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use super::progress::{Bar, Progress};
use crate::client::{self, Client};
use crate::output;

/// Between two looks at a task.
const POLL: Duration = Duration::from_millis(300);

/// A task as the admin API shows it.
#[derive(Debug, Deserialize)]
struct Task {
    id: String,
    state: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    last_lines: Vec<String>,
    progress: Progress,
    #[serde(default)]
    result: Option<Outcome>,
}

/// What a task has brought.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Outcome {
    pub(super) image: Option<String>,
    pub(super) id: Option<String>,
    pub(super) bytes: u64,
    #[serde(default)]
    pub(super) removed: Vec<String>,
}

/// Follows a task to its end.
pub(super) async fn follow(client: &Client, begun: &Value) -> anyhow::Result<Outcome> {
    let mut task: Task = client::view(begun)?;
    let path = format!("/api/v1/images/tasks/{}", client::segment(&task.id));
    let mut bar = Bar::new();
    loop {
        if task.state == "running" {
            bar.show(&task.progress);
            sleep(POLL).await;
            task = client::view(&client.get(&path).await?)?;
            continue;
        }
        bar.end();
        if task.state == "succeeded" {
            return Ok(task.result.unwrap_or_default());
        }
        for line in &task.last_lines {
            output::note(&format!("  | {}", output::plain(line)));
        }
        bail!("{}", task.message.unwrap_or_else(|| format!("it was {} by somebody", task.state)));
    }
}
