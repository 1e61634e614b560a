//! Follows a model until it is ready, or gone: redrawn in place in a terminal, else a line for each step.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::client::{self, ApiFault, Client};
use crate::output;

/// Between two looks.
const POLL: Duration = Duration::from_millis(300);
/// Failures of a replica in a row after which it is not waited for any more.
const FAILURES: u32 = 3;
/// Percent between two lines where nobody watches.
const STEP: u64 = 10;

/// How following came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All replicas take requests, or all are gone.
    Reached,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

/// A model as the admin API shows it; only what is followed.
#[derive(Debug, Deserialize)]
struct Model {
    ready: u32,
    replicas: u32,
    #[serde(default)]
    stopped: bool,
    deployments: Vec<Deployment>,
}

#[derive(Debug, Deserialize)]
struct Deployment {
    replicas: Vec<Replica>,
}

#[derive(Debug, Deserialize)]
struct Replica {
    id: String,
    state: String,
    restarts: u32,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    download: Option<Download>,
}

#[derive(Debug, Deserialize)]
struct Download {
    bytes: u64,
    bytes_done: u64,
}

#[derive(Debug, Deserialize)]
struct Status {
    #[serde(default)]
    orphans: Vec<Replica>,
}

/// What was shown.
struct Screen {
    redraw: bool,
    lines_drawn: usize,
    /// Of each replica, what makes a line worth printing.
    shown: BTreeMap<String, String>,
}

/// Until all replicas of a model take requests. With the reason as error where one fails again and again.
pub(super) async fn until_ready(client: &Client, model: &str, patience: Option<Duration>) -> anyhow::Result<End> {
    let path = format!("/api/v1/models/{}", client::segment(model));
    follow(patience, async |screen| {
        let model_now: Model = match client.get(&path).await {
            Ok(answer) => client::view(&answer)?,
            Err(error) if is_gone(&error) => bail!("{model} was removed meanwhile"),
            Err(error) => return Err(error),
        };
        let replicas: Vec<_> = model_now.deployments.into_iter().flat_map(|deployment| deployment.replicas).collect();
        screen.show(&replicas);
        if model_now.stopped {
            bail!("{model} was stopped meanwhile; `enginehouse model start {model}` starts it");
        }
        if let Some(failed) = replicas.iter().find(|replica| replica.is_hopeless()) {
            let why = failed.message.as_deref().unwrap_or("no reason known");
            bail!(
                "{model} does not come up: {}; `enginehouse model show {model}` and `model logs {model}` say more",
                output::plain(why)
            );
        }
        Ok(model_now.ready >= model_now.replicas)
    })
    .await
}

/// Until no replica of these is left.
pub(super) async fn until_gone(client: &Client, replicas: &[String]) -> anyhow::Result<End> {
    follow(None, async |screen| {
        let Status { mut orphans } = client::view(&client.get("/api/v1/status").await?)?;
        orphans.retain(|orphan| replicas.contains(&orphan.id));
        screen.show(&orphans);
        Ok(orphans.is_empty())
    })
    .await
}

async fn follow(
    patience: Option<Duration>,
    mut look: impl AsyncFnMut(&mut Screen) -> anyhow::Result<bool>,
) -> anyhow::Result<End> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let (mut screen, began) = (Screen::new(), Instant::now());
    loop {
        let is_reached = tokio::select! {
            reached = look(&mut screen) => reached?,
            _ = interrupt.recv() => return Ok(End::Interrupted),
        };
        if is_reached {
            return Ok(End::Reached);
        }
        if let Some(patience) = patience.filter(|patience| began.elapsed() >= *patience) {
            bail!("not there after {} s; it goes on: `enginehouse model list`", patience.as_secs());
        }
        tokio::select! {
            () = sleep(POLL) => {}
            _ = interrupt.recv() => return Ok(End::Interrupted),
        }
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ApiFault>().is_some_and(|fault| fault.status == 404)
}

// === impl Replica ===

impl Replica {
    fn is_hopeless(&self) -> bool {
        self.state == "failed" || (self.state == "backing_off" && self.restarts >= FAILURES)
    }

    fn line(&self) -> String {
        let message = self.message.as_deref().filter(|text| !text.is_empty()).map(|text| format!("  {text}"));
        output::plain(&format!("{}  {}{}", self.id, self.state, message.unwrap_or_default()))
    }

    /// What has to differ for another line where nobody watches: numbers that run are none.
    fn step(&self) -> String {
        match &self.download {
            Some(Download { bytes, bytes_done }) => {
                let percent = bytes_done.min(bytes).saturating_mul(100).checked_div(*bytes).unwrap_or(0);
                format!("{} {}", self.state, percent / STEP)
            }
            None if self.state == "backing_off" => format!("{} {}", self.state, self.restarts),
            None if self.state == "pulling" => self.state.clone(),
            None => format!("{} {}", self.state, self.message.as_deref().unwrap_or_default()),
        }
    }
}

// === impl Screen ===

impl Screen {
    fn new() -> Self {
        Self { redraw: output::is_watched(), lines_drawn: 0, shown: BTreeMap::new() }
    }

    fn show(&mut self, replicas: &[Replica]) {
        if self.redraw {
            let mut frame =
                if self.lines_drawn > 0 { format!("\x1b[{}A\x1b[J", self.lines_drawn) } else { String::new() };
            for replica in replicas {
                // A line that wraps would throw off the count of lines to go back.
                let line: String = replica.line().chars().take(output::note_width()).collect();
                let _ = writeln!(frame, "{line}");
            }
            output::raw_note(&frame);
            self.lines_drawn = replicas.len();
            return;
        }
        for line in self.news(replicas) {
            output::note(&line);
        }
    }

    fn news(&mut self, replicas: &[Replica]) -> Vec<String> {
        let is_new = |replica: &&Replica| {
            let step = replica.step();
            self.shown.insert(replica.id.clone(), step.clone()) != Some(step)
        };
        replicas.iter().filter(is_new).map(Replica::line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coming(bytes_done: u64) -> Replica {
        Replica {
            id: "d/0".to_owned(),
            state: "downloading".to_owned(),
            restarts: 0,
            message: Some(format!("{bytes_done} of 100")),
            download: Some(Download { bytes: 100, bytes_done }),
        }
    }

    #[test]
    fn where_nobody_watches_there_is_a_line_a_step() {
        let mut screen = Screen { redraw: false, lines_drawn: 0, shown: BTreeMap::new() };
        assert_eq!(screen.news(&[coming(1)]), ["d/0  downloading  1 of 100"]);
        assert!(screen.news(&[coming(9)]).is_empty());
        assert_eq!(screen.news(&[coming(10)]).len(), 1);
        let ready = Replica { state: "ready".to_owned(), message: None, download: None, ..coming(0) };
        assert_eq!(screen.news(&[ready]), ["d/0  ready"]);
    }

    #[test]
    fn what_fails_again_and_again_is_hopeless() {
        let failing = |restarts| Replica { state: "backing_off".to_owned(), restarts, ..coming(0) };
        assert!(!failing(FAILURES - 1).is_hopeless() && failing(FAILURES).is_hopeless());
    }
}
