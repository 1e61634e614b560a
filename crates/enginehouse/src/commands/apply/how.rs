use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::answer::Applied;
use super::follow;
use crate::client::{self, Client};
use crate::{output, span};

/// How something is applied: flags of all commands that do.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[derive(Debug, Args)]
pub(in crate::commands) struct How {
    /// Validate and show the plan; write nothing
    #[arg(long, conflicts_with_all = ["atomic", "wait"])]
    dry_run: bool,
    /// Wait until all models are ready; go back to the state before if they are not in time
    #[arg(long)]
    atomic: bool,
    /// Wait until all models are ready
    #[arg(long)]
    wait: bool,
    /// How long to wait in all, as 15m; unless given, as long as the slowest engine may take to start once its model and image
    /// are here
    #[arg(long, value_name = "TIME", value_parser = span::duration)]
    timeout: Option<Duration>,
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(in crate::commands) message: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

// === impl How ===

impl How {
    /// Whether the command ends only once the models are ready: it makes no sense where nothing runs.
    pub(in crate::commands) const fn waits(&self) -> bool {
        self.wait || self.atomic
    }

    pub(in crate::commands) const fn is_json(&self) -> bool {
        self.json
    }

    /// The query of the request.
    pub(in crate::commands) fn query(&self) -> String {
        let mut pairs = Vec::new();
        if self.dry_run {
            pairs.push(("dry_run", "true".to_owned()));
        }
        if self.atomic {
            pairs.push(("atomic", "true".to_owned()));
        }
        if let Some(timeout) = self.timeout.filter(|_| self.waits()) {
            pairs.push(("timeout_seconds", timeout.as_secs().to_string()));
        }
        client::query(pairs)
    }

    /// Prints what was applied and, if asked, waits for the models.
    pub(in crate::commands) async fn finish(&self, client: &Client, answer: Value) -> anyhow::Result<()> {
        let applied: Applied = client::view(&answer)?;
        if !self.json {
            output::data(&applied.summary(self.dry_run))?;
        }
        if client.is_offline() && !self.dry_run {
            output::note("Nothing runs on this home: the models start with `enginehouse serve`.");
        }
        let job = match &applied.job {
            Some(job) if self.waits() => Some(follow::job(client, job, self.timeout).await?),
            _ => None,
        };
        if self.json {
            output::json(&with_outcome(answer, job.as_ref().map(|job| &job.raw)))?;
        }
        match job {
            Some(job) => job.verdict(),
            None => Ok(()),
        }
    }
}

fn with_outcome(mut answer: Value, outcome: Option<&Value>) -> Value {
    if let (Value::Object(fields), Some(outcome)) = (&mut answer, outcome) {
        fields.insert("outcome".to_owned(), outcome.clone());
    }
    answer
}
