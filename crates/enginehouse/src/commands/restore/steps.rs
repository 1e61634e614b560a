use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::cli::Globals;
use crate::client::{self, Client};
use crate::output;

/// Between two looks.
const POLL: Duration = Duration::from_millis(300);
/// How long a service is waited for that does not run yet.
const COMES_UP_WITHIN: Duration = Duration::from_secs(60);
/// Cells of the longest word for a step.
const WIDTH: usize = 9;

#[derive(Debug, Deserialize)]
struct Restoration {
    failed: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    #[serde(rename = "step")]
    what: String,
    #[serde(default)]
    name: Option<String>,
    state: String,
    #[serde(default)]
    message: Option<String>,
}

/// What was shown.
struct Screen {
    redraw: bool,
    lines_drawn: usize,
    /// State of each step, by what tells it from the others.
    shown: BTreeMap<String, String>,
}

/// Shows step by step how the state before comes back, until all of it is there.
pub(super) async fn follow(globals: &Globals, patience: Duration, json: bool) -> anyhow::Result<()> {
    let client = connect(globals).await?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let (mut screen, began) = (Screen::new(), Instant::now());
    loop {
        let answer = tokio::select! {
            answer = client.get("/api/v1/restore") => answer?,
            _ = interrupt.recv() => {
                interrupted();
                return Ok(());
            }
        };
        let now: Restoration = client::view(&answer)?;
        screen.show(&now.steps);
        let is_back = now.steps.iter().all(Step::is_over);
        if is_back || began.elapsed() >= patience {
            return end(&answer, &now, is_back, patience, json);
        }
        tokio::select! {
            () = sleep(POLL) => {}
            _ = interrupt.recv() => {
                interrupted();
                return Ok(());
            }
        }
    }
}

async fn connect(globals: &Globals) -> anyhow::Result<Client> {
    let began = Instant::now();
    let mut is_told = false;
    loop {
        if let Some(client) = Client::if_served(globals).await? {
            return Ok(client);
        }
        if !is_told {
            output::note("Nothing runs on this home yet: waiting for `enginehouse serve` ...");
            is_told = true;
        }
        if began.elapsed() >= COMES_UP_WITHIN {
            bail!(
                "nothing runs on this home, so nothing comes back: start the service (`systemctl start enginehouse`, or \
                 `enginehouse serve`), which restores by itself; to make a home from a backup, name its file: \
                 `enginehouse restore FILE`"
            );
        }
        sleep(POLL).await;
    }
}

fn interrupted() {
    output::note("Not followed any more; it goes on by itself.");
}

fn end(answer: &Value, now: &Restoration, is_back: bool, patience: Duration, json: bool) -> anyhow::Result<()> {
    if json {
        output::json(answer)?;
    }
    if is_back {
        output::note("Everything is back as it was.");
        return Ok(());
    }
    let missing: Vec<_> = now.steps.iter().filter(|step| !step.is_over()).map(Step::title).collect();
    let why = if now.failed { "; `enginehouse model show` and `enginehouse doctor` say more" } else { "" };
    bail!("not back after {} s: {}{why}; it goes on by itself", patience.as_secs(), missing.join(", "))
}

// === impl Step ===

impl Step {
    fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "done" | "skipped")
    }

    fn title(&self) -> String {
        let name = self.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        output::plain(&format!("{}{name}", self.what))
    }

    fn line(&self) -> String {
        let sign = match self.state.as_str() {
            "done" => "[x]",
            "skipped" => "[-]",
            "failed" => "[!]",
            "running" => "[~]",
            _ => "[ ]",
        };
        let message = self.message.as_deref().map(|text| format!(": {}", output::plain(text))).unwrap_or_default();
        let title = match &self.name {
            Some(name) => format!("{:WIDTH$}{}", self.what, output::plain(name)),
            None => self.what.clone(),
        };
        format!("{sign} {title} {}{message}", self.state)
    }
}

// === impl Screen ===

impl Screen {
    fn new() -> Self {
        Self { redraw: output::is_watched(), lines_drawn: 0, shown: BTreeMap::new() }
    }

    /// All of it again in a terminal, else what has changed.
    fn show(&mut self, steps: &[Step]) {
        if !self.redraw {
            for step in self.news(steps) {
                output::note(&step);
            }
            return;
        }
        let mut frame = if self.lines_drawn > 0 { format!("\x1b[{}A\x1b[J", self.lines_drawn) } else { String::new() };
        for step in steps {
            // A line that wraps would throw off the count of lines to go back.
            let line: String = step.line().chars().take(output::note_width()).collect();
            let _ = writeln!(frame, "{line}");
        }
        output::raw_note(&frame);
        self.lines_drawn = steps.len();
    }

    fn news(&mut self, steps: &[Step]) -> Vec<String> {
        let is_new = |step: &&Step| {
            let state = step.state.clone();
            self.shown.insert(step.title(), state.clone()) != Some(state)
        };
        steps.iter().filter(is_new).map(Step::line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_a_line() {
        let step = |state: &str| Step {
            what: "model".to_owned(),
            name: Some("qwen".to_owned()),
            state: state.to_owned(),
            message: Some("0/1 ready".to_owned()),
        };
        let mut screen = Screen { redraw: false, lines_drawn: 0, shown: BTreeMap::new() };
        assert_eq!(screen.news(&[step("running")]), ["[~] model    qwen running: 0/1 ready"]);
        assert!(screen.news(&[step("running")]).is_empty());
        assert_eq!(screen.news(&[step("done")]), ["[x] model    qwen done: 0/1 ready"]);
    }
}
