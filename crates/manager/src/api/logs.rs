#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::Problem;
use super::extract::{Named, Params};
use super::stream::{self, Source, StreamedEvent};
use crate::log::{LogFollower, last_lines};
use crate::status::DeploymentKind;
use crate::{Actor, Manager};

/// Lines that are shown unless asked otherwise, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 10_000;
/// How often logs are looked at that are followed.
const EVERY: Duration = Duration::from_millis(500);

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogParams {
    /// Go on with new lines as they come, as server-sent events.
    #[serde(default)]
    follow: bool,
    /// How many of the last lines of each replica: 0 to 10,000; 100 unless given.
    tail: Option<u32>,
    /// Only this replica, by its id.
    replica: Option<String>,
}

/// Somebody who follows logs.
struct Follower {
    manager: Manager,
    model: String,
    /// Only this replica.
    replica: Option<String>,
    logs: Vec<LogFollower>,
    /// At most what [`MOST`] and one look at each log bring.
    waiting: VecDeque<Event>,
    has_ended: bool,
}

/// What the replicas of a model print
///
/// Of a replica that is being replaced, both engines. Plain text; with `follow`, server-sent events `line`, each with `replica` and `line`, and `end` once none is left that
/// prints. Very long lines are cut.
#[utoipa::path(get, path = "/models/{model}/logs", operation_id = "model_logs",
    params(("model" = String, Path, description = "Its name"), LogParams), responses(
    (status = 200, description = "lines", content(
        (String = "text/plain"), (StreamedEvent = "text/event-stream"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn logs(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(model): Named,
    Params(params): Params<LogParams>,
) -> Result<Response, Problem> {
    let tail = params.tail.unwrap_or(USUAL);
    if tail > MOST {
        return Err(Problem::unfit("tail", format!("must be 0 to {MOST}")));
    }
    let replicas = replicas(&manager, &model, params.replica.as_deref())?;
    let (mut all, mut logs) = (Vec::new(), Vec::new());
    for id in replicas {
        let path = manager.replica_log(&id);
        let (lines, end) = tokio::task::spawn_blocking({
            let path = path.clone();
            move || last_lines(&path, tail as usize)
        })
        .await
        .unwrap_or_default();
        all.extend(lines.into_iter().map(|line| (id.clone(), line)));
        logs.push(LogFollower::new(id, path, end));
    }
    if params.follow {
        let waiting = all.into_iter().map(|(id, line)| sent(&id, &line)).collect();
        let replica = params.replica;
        let follower = Follower { manager: manager.clone(), model, replica, logs, waiting, has_ended: false };
        return Ok(stream::answer(manager, actor, follower));
    }
    let text: String = all.into_iter().map(|(_, line)| line + "\n").collect();
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

fn replicas(manager: &Manager, model: &str, replica: Option<&str>) -> Result<Vec<String>, Problem> {
    let models = manager.models();
    let model = models.iter().find(|known| known.name == model).ok_or_else(|| manager.unknown_model(model))?;
    let engines = model.deployments.iter().filter(|deployment| deployment.kind == DeploymentKind::Engine);
    // Both places of a replica that is being replaced.
    let all = engines.flat_map(|deployment| deployment.replicas.iter().chain(&deployment.before));
    let all = all.map(|replica| replica.id.clone());
    let ids: Vec<_> = all.filter(|id| replica.is_none_or(|replica| id == replica)).collect();
    if ids.is_empty() && replica.is_some() {
        return Err(Problem::not_found("the model has no such replica"));
    }
    Ok(ids)
}

fn sent(replica: &str, line: &str) -> Event {
    Event::default().event("line").data(json!({ "replica": replica, "line": line }).to_string())
}

// === impl Follower ===

impl Source for Follower {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            // Who prints is looked at first: what those who have gone printed last is read once more.
            let printing = self.printing();
            for log in &mut self.logs {
                let lines = log.read().await;
                self.waiting.extend(lines.iter().map(|line| sent(&log.replica, line)));
            }
            self.keep_only(printing);
            if self.waiting.is_empty() {
                tokio::time::sleep(EVERY).await;
            }
        }
    }
}

impl Follower {
    /// Replicas that print, or will: those that the model has, and those that it had and that still run.
    fn printing(&self) -> BTreeSet<String> {
        let wanted = replicas(&self.manager, &self.model, self.replica.as_deref()).unwrap_or_default();
        let runs = |id: &String| self.logs.iter().any(|log| log.replica == *id);
        let orphans = self.manager.orphans().into_iter().map(|replica| replica.id).filter(runs);
        wanted.into_iter().chain(orphans).collect()
    }

    /// Follows these, from their beginning where they are new.
    fn keep_only(&mut self, printing: BTreeSet<String>) {
        self.logs.retain(|log| printing.contains(&log.replica));
        for id in printing {
            if !self.logs.iter().any(|log| log.replica == id) {
                let path = self.manager.replica_log(&id);
                self.logs.push(LogFollower::new(id, path, 0));
            }
        }
        if self.logs.is_empty() {
            self.has_ended = true;
            self.waiting.push_back(Event::default().event("end").data("{}"));
        }
    }
}
