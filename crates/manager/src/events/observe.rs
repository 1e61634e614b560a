//! Looks for what happened. Level-triggered: what is now is compared with what was told last, so that no part of the
//! manager has to remember to tell.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::Manager;

/// How often engines and jobs are looked at.
const EVERY: Duration = Duration::from_millis(500);
/// How many of these looks go by until the audit is looked at without being asked to.
const AUDIT_EVERY: u32 = 10;
/// Rows of the audit that are read at once.
const ROWS: u32 = 1_000;

/// What was told last.
#[derive(Debug, Default)]
struct Told {
    /// The newest row of the audit.
    audit: u64,
    replicas: BTreeMap<String, Value>,
    jobs: BTreeMap<String, Value>,
    pulls: BTreeMap<String, Value>,
    steps: BTreeMap<String, Value>,
    images: BTreeMap<String, Value>,
}

// === impl Manager ===

impl Manager {
    /// Tells what happens, until cancelled.
    pub(crate) async fn tell_events(&self, cancel: &CancellationToken) {
        // What is there already is told too: it may have come after the first follower did, while this was held up.
        let mut told = Told { audit: self.inner().events.audited, ..Told::default() };
        self.tell_audited(&mut told).await;
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looks = 0_u32;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.inner().events.nudge.notified() => self.tell_audited(&mut told).await,
                _ = ticks.tick() => looks = looks.wrapping_add(1),
            }
            if looks.is_multiple_of(AUDIT_EVERY) {
                looks += 1;
                self.tell_audited(&mut told).await;
            }
            self.tell_new("replica", &mut told.replicas, self.seen_replicas());
            self.tell_new("job", &mut told.jobs, self.seen_jobs());
            self.tell_new("pull", &mut told.pulls, self.seen_pulls());
            self.tell_restored(&mut told.steps);
            self.tell_new("image", &mut told.images, self.seen_images());
        }
    }

    /// All that came since, however much: `ROWS` at a time.
    async fn tell_audited(&self, told: &mut Told) {
        loop {
            let Ok(rows) = self.store().audit().after(told.audit, ROWS).await else { return };
            for row in &rows {
                let data = json!({
                    "action": row.action, "subject": row.subject, "actor": row.actor, "at": row.at.to_string(),
                });
                self.inner().events.tell("change", &data);
                told.audit = row.id;
            }
            if rows.len() < ROWS as usize {
                return;
            }
        }
    }

    fn tell_new(&self, kind: &'static str, told: &mut BTreeMap<String, Value>, seen: BTreeMap<String, Value>) {
        for (id, value) in seen.iter().filter(|(id, value)| told.get(*id) != Some(*value)) {
            let mut data = value.clone();
            data["id"] = id.as_str().into();
            self.inner().events.tell(kind, &data);
        }
        for id in told.keys().filter(|id| !seen.contains_key(*id)) {
            self.inner().events.tell(kind, &json!({ "id": id, "state": "gone" }));
        }
        *told = seen;
    }

    fn seen_replicas(&self) -> BTreeMap<String, Value> {
        let models = self.models();
        let replicas = models.iter().flat_map(|model| {
            let all = model.deployments.iter().flat_map(|deployment| &deployment.replicas);
            all.map(|replica| {
                let mut value = json!({ "model": model.name, "state": replica.state, "message": replica.message });
                if let Some(download) = &replica.download {
                    // In whole percent, as pulls are.
                    value["message"] = Value::Null;
                    value["percent"] = download.percent().into();
                    value["bytes"] = download.bytes.into();
                }
                (replica.id.clone(), value)
            })
        });
        replicas.collect()
    }

    /// In whole percent: what moves faster would leave no room for other events.
    fn seen_pulls(&self) -> BTreeMap<String, Value> {
        let value = |pull: &crate::hub::Pull| {
            json!({
                "model": pull.model, "revision": pull.revision, "state": pull.state, "percent": pull.percent(),
                "message": pull.message,
            })
        };
        self.inner().pulls.all().iter().map(|pull| (pull.id.clone(), value(pull))).collect()
    }

    /// How far the state before is back, until it is.
    fn tell_restored(&self, told: &mut BTreeMap<String, Value>) {
        if self.inner().restored.read().is_some() {
            return;
        }
        let steps = self.steps();
        let value = |step: &crate::restoration::RestoreStep| json!({ "state": step.state, "message": step.message });
        let mut seen: BTreeMap<_, _> = steps.iter().map(|step| (step.id(), value(step))).collect();
        self.note_restored(&steps);
        if self.inner().restored.read().is_some() {
            seen.insert("all".to_owned(), json!({ "state": "done", "message": null }));
        }
        self.tell_new("restore", told, seen);
    }

    fn seen_images(&self) -> BTreeMap<String, Value> {
        let value = |task: &crate::images::ImageTask| {
            json!({
                "kind": task.work.kind(), "subject": task.work.subject(), "state": task.state(),
                "percent": task.percent(), "message": task.failure().map(|(message, _)| message),
            })
        };
        self.inner().image_tasks.all().iter().map(|task| (task.id.clone(), value(task))).collect()
    }

    fn seen_jobs(&self) -> BTreeMap<String, Value> {
        let jobs = self.inner().jobs.all();
        let value = |job: &crate::jobs::Job| json!({ "state": job.state, "revision": job.revision });
        jobs.iter().map(|job| (job.id.clone(), value(job))).collect()
    }
}
