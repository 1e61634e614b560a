use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::status::ModelStatus;

/// Jobs that are remembered; older ones are forgotten.
const REMEMBERED: usize = 100;

/// The jobs of this manager since it was opened.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Job>>);

/// Verifies that what was applied works.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) state: JobState,
    /// Number of the revision that it verifies.
    pub(crate) revision: u64,
    /// Names of the models that it waits for.
    pub(crate) models: Vec<String>,
    /// How it ended; none while it runs, and where there is nothing to say.
    pub(crate) message: Option<String>,
    /// The models as they were when it ended.
    pub(crate) outcome: Option<Vec<ModelStatus>>,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    /// Not everything is ready yet.
    Running,
    /// Everything got ready in time.
    Succeeded,
    /// Not everything got ready; the revision stands.
    Failed,
    /// Not everything got ready; the document before applies again, as a newer revision.
    RolledBack,
}

// === impl Jobs ===

impl Jobs {
    /// Remembers a job.
    pub(crate) fn add(&self, job: Job) {
        let mut jobs = self.0.lock();
        if jobs.len() == REMEMBERED {
            jobs.pop_front();
        }
        jobs.push_back(job);
    }

    /// The job `id`, unless it is forgotten.
    pub(crate) fn get(&self, id: &str) -> Option<Job> {
        self.0.lock().iter().find(|job| job.id == id).cloned()
    }

    /// All that are remembered, oldest first.
    pub(crate) fn all(&self) -> Vec<Job> {
        self.0.lock().iter().cloned().collect()
    }

    /// Notes how a job ended.
    pub(crate) fn end(&self, id: &str, state: JobState, message: Option<String>, outcome: Vec<ModelStatus>) {
        if let Some(job) = self.0.lock().iter_mut().find(|job| job.id == id) {
            tracing::info!(job = id, revision = job.revision, ?state, message, "job ended");
            (job.state, job.message, job.outcome) = (state, message, Some(outcome));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_jobs_are_remembered() {
        let jobs = Jobs::default();
        let job = |n: usize| Job {
            id: n.to_string(),
            state: JobState::Running,
            revision: 1,
            models: Vec::new(),
            message: None,
            outcome: None,
        };
        (0..REMEMBERED + 5).for_each(|n| jobs.add(job(n)));
        assert_eq!(jobs.get("4"), None);
        assert!(jobs.get("5").is_some());
        jobs.end("5", JobState::Failed, Some("why".into()), Vec::new());
        let job = jobs.get("5").unwrap();
        assert_eq!((job.state, job.message.as_deref()), (JobState::Failed, Some("why")));
    }
}
