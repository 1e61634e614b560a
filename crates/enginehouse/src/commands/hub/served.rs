use std::time::Duration;

use anyhow::bail;
use hub::Progress;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use super::progress::Bar;
use crate::client::{self, Client};

/// Between two looks at a pull.
const POLL: Duration = Duration::from_millis(300);

/// A pull as the admin API shows it.
#[derive(Debug, Deserialize)]
struct Pull {
    id: String,
    state: String,
    #[serde(default)]
    message: Option<String>,
    progress: Progress,
    #[serde(default)]
    result: Option<Value>,
}

/// Follows a pull to its end; what it brought.
pub(super) async fn follow(client: &Client, begun: &Value) -> anyhow::Result<Value> {
    let mut pull: Pull = client::view(begun)?;
    let path = format!("/api/v1/hub/pulls/{}", client::segment(&pull.id));
    let mut bar = Bar::new();
    loop {
        bar.show(&pull.progress);
        match pull.state.as_str() {
            "running" => {}
            "succeeded" => {
                bar.end();
                return Ok(pull.result.unwrap_or_default());
            }
            state => {
                bar.end();
                bail!("{}", pull.message.unwrap_or_else(|| format!("the pull is {state}; what came is kept")));
            }
        }
        sleep(POLL).await;
        pull = client::view(&client.get(&path).await?)?;
    }
}
