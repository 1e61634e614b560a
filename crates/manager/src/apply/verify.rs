use std::collections::BTreeMap;
use std::time::Duration;

use ambient::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use spec::{Change, ChangeKind, Document, Format, ItemKind};

use super::{ApplyError, ApplyRequest, Authored, Proposal};
use crate::current::Current;
use crate::fault_points::{CommitStep, FaultPoint, Way};
use crate::jobs::{Job, JobState};
use crate::status::{ModelStatus, ReplicaState};
use crate::{Actor, Manager};

/// Setting that holds a [`Pending`] while an atomic apply is verified: a manager that dies meanwhile leaves it to
/// the next one.
pub(super) const SETTING: &str = "verifying";
/// How often the models are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Time on top of the longest start time-out, where no time-out is given.
const MARGIN: Duration = Duration::from_secs(30);
/// Times that a replica may fail before an atomic apply is given up early.
const FAILURES: u32 = 3;
/// Pause before a roll-back is tried again that the store refused.
const AGAIN: Duration = Duration::from_secs(1);

/// Sees to it that one apply happens at a time, and none beside an atomic one.
#[derive(Debug, Default)]
pub(crate) struct Verification {
    turn: tokio::sync::Mutex<()>,
    /// The atomic apply that is being verified.
    atomic: Mutex<Option<Verifying>>,
    /// What an earlier manager left unverified, and its job, until [`Manager::run`] goes on with it.
    left: Mutex<Option<(String, Pending)>>,
}

/// An atomic apply that is not verified yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Number of the revision to be verified.
    revision: u64,
    /// Number of the revision to go back to.
    previous: u64,
    /// When it is given up.
    deadline: Timestamp,
    /// Time that is left once models and images are here, where nobody said how long it may take in all: how long they come
    /// says nothing of an engine.
    #[serde(default)]
    patience: Option<Duration>,
    /// Names of the models that it waits for.
    models: Vec<String>,
    /// Who applied it; empty where an earlier version did not note that.
    #[serde(default)]
    author: String,
}

/// An atomic apply beside which there is no other.
#[derive(Clone, Debug)]
struct Verifying {
    job: String,
    by: String,
    until: Timestamp,
}

/// What one look at the models says.
enum Verdict {
    Ready,
    NotYet,
    Hopeless(String),
}

// === impl Verification ===

impl Verification {
    /// Refuses while an atomic apply is being verified.
    pub(super) fn check_free(&self) -> Result<(), ApplyError> {
        let verifying = self.atomic.lock().clone();
        verifying.map_or(Ok(()), |Verifying { job, by, until }| Err(ApplyError::Verifying { job, by, until }))
    }

    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

// === impl Pending ===

impl Pending {
    pub(super) fn to_setting(&self) -> String {
        // Cannot fail: every key is a string.
        serde_json::to_string(self).unwrap_or_default()
    }
}

// === impl Manager ===

impl Manager {
    pub(super) fn pending(&self, before: &Current, proposal: &Proposal, request: &ApplyRequest) -> Pending {
        let (deadline, patience) = self.bounds(&proposal.document, request);
        Pending {
            revision: before.revision + 1,
            previous: before.revision,
            deadline,
            patience,
            models: touched(&proposal.changes),
            author: request.actor.name().to_owned(),
        }
    }

    /// Starts the job that verifies what was applied; none where nothing runs. An atomic apply answers for the
    /// models that it touched; any other job waits for all.
    pub(super) fn verify_later(
        &self,
        pending: Option<Pending>,
        document: &Document,
        request: &ApplyRequest,
    ) -> Option<String> {
        if !self.runs() {
            return None;
        }
        let atomic = pending.is_some();
        let pending = pending.unwrap_or_else(|| {
            let (deadline, patience) = self.bounds(document, request);
            let models = document.models.iter().map(|model| model.name.clone()).collect();
            let author = request.actor.name().to_owned();
            Pending { revision: self.current().revision, previous: 0, deadline, patience, models, author }
        });
        Some(self.start_job(pending, atomic))
    }

    /// Announces the atomic apply that an earlier manager left unverified, so that no other one slips in before
    /// [`resume_verification`](Self::resume_verification).
    pub(crate) async fn announce_unverified(&self) -> store::Result<()> {
        let stored = self.store().settings().get(SETTING).await?;
        let Some(pending) = stored.and_then(|text| serde_json::from_str::<Pending>(&text).ok()) else { return Ok(()) };
        if pending.revision == self.current().revision {
            let job = self.announce(&pending, true);
            *self.inner().verification.left.lock() = Some((job, pending));
        }
        Ok(())
    }

    /// Goes on with what was announced.
    pub(crate) fn resume_verification(&self) {
        if let Some((job, pending)) = self.inner().verification.left.lock().take() {
            self.begin(job, pending, true);
        }
    }

    fn start_job(&self, pending: Pending, atomic: bool) -> String {
        let id = self.announce(&pending, atomic);
        self.begin(id.clone(), pending, atomic);
        id
    }

    /// Makes the job known; no apply is taken beside an atomic one from now on.
    fn announce(&self, pending: &Pending, atomic: bool) -> String {
        let id = hex::encode(self.config().rng.bytes::<6>());
        self.inner().jobs.add(Job {
            id: id.clone(),
            state: JobState::Running,
            revision: pending.revision,
            models: pending.models.clone(),
            message: None,
            outcome: None,
        });
        if atomic {
            let by = if pending.author.is_empty() { "somebody" } else { &pending.author }.to_owned();
            let verifying = Verifying { job: id.clone(), by, until: pending.deadline };
            *self.inner().verification.atomic.lock() = Some(verifying);
        }
        id
    }

    fn begin(&self, job: String, pending: Pending, atomic: bool) {
        let manager = self.clone();
        self.spawn(async move { manager.verify(&job, &pending, atomic).await });
    }

    async fn verify(self, job: &str, pending: &Pending, atomic: bool) {
        let failure = self.await_models(pending, atomic).await;
        let outcome = self.models_named(&pending.models);
        let points = &self.config().fault_points;
        let state = match (&failure, atomic) {
            (None, true) => {
                points.reach(FaultPoint::Verified);
                self.forget_pending().await;
                points.reach(FaultPoint::VerifiedNoted);
                JobState::Succeeded
            }
            (None, false) => JobState::Succeeded,
            (Some(_), false) => JobState::Failed,
            (Some(_), true) => {
                points.reach(FaultPoint::RollBackDecided);
                self.roll_back(pending.previous).await;
                JobState::RolledBack
            }
        };
        self.inner().jobs.end(job, state, failure, outcome);
        if atomic {
            *self.inner().verification.atomic.lock() = None;
        }
    }

    /// Waits for the models; why it was given up, if it was.
    async fn await_models(&self, pending: &Pending, atomic: bool) -> Option<String> {
        let before = self.inner().fleet.failures();
        let mut deadline = pending.deadline;
        loop {
            if !atomic && self.current().revision != pending.revision {
                return Some(format!("revision {} replaced it", self.current().revision));
            }
            let now = self.inner().fleet.failures();
            let failures = |of: &BTreeMap<String, u32>, id: &str| of.get(id).copied().unwrap_or(0);
            let models = self.models_named(&pending.models);
            match verdict(&models, |id| {
                // An id that was forgotten meanwhile counts from none again.
                failures(&now, id).saturating_sub(failures(&before, id))
            }) {
                Verdict::Ready => return None,
                Verdict::Hopeless(why) if atomic => return Some(why),
                Verdict::Hopeless(_) | Verdict::NotYet => {}
            }
            let clock = self.config().clock.now();
            if let Some(patience) = pending.patience.filter(|_| models.iter().any(is_coming)) {
                deadline = deadline.max(clock.plus(patience));
            }
            if clock >= deadline {
                return Some("not everything was ready in time".to_owned());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Applies the document of an earlier revision as the next one; tries until it is committed.
    async fn roll_back(&self, previous: u64) {
        let _turn = self.inner().verification.turn().await;
        loop {
            match self.try_roll_back(previous).await {
                Ok(()) => break,
                Err(error) => tracing::error!(%error, previous, "cannot roll back yet; trying again"),
            }
            tokio::time::sleep(AGAIN).await;
        }
        if let Err(behind) = self.publish_and_wait().await {
            tracing::warn!(%behind, "rolled back");
        }
        self.config().fault_points.reach(FaultPoint::Commit(Way::RollBack, CommitStep::Published));
        self.inner().nudge.notify_one();
    }

    async fn try_roll_back(&self, previous: u64) -> Result<(), ApplyError> {
        let message = format!("back to revision {previous}: not everything was ready");
        let document = match self.store().revisions().get(previous).await? {
            Some(revision) => spec::parse(&revision.document, Format::Json)?,
            // Nothing applied before.
            None => Document::default(),
        };
        let proposal = Proposal::back_to(&self.current(), document);
        let authored = Authored { way: Way::RollBack, actor: &Actor::rollback(), message: &message };
        self.commit(&proposal, authored, None).await.map(drop)
    }

    async fn forget_pending(&self) {
        if let Err(error) = self.store().settings().set(SETTING, None).await {
            tracing::warn!(%error, "the verified apply is looked at again after the next start");
        }
    }

    /// When it is given up, and how long it may take once all that is fetched first is here.
    fn bounds(&self, document: &Document, request: &ApplyRequest) -> (Timestamp, Option<Duration>) {
        let now = self.config().clock.now();
        if let Some(timeout) = request.timeout {
            return (now.plus(timeout), None);
        }
        let patience = self.patience(document);
        (now.plus(patience), Some(patience))
    }

    fn patience(&self, document: &Document) -> Duration {
        let replicas = crate::reconciler::desired(document, &self.config().env);
        replicas.iter().map(|replica| replica.start_timeout).max().unwrap_or_default() + MARGIN
    }
}

/// Whether something of it is fetched or built before it starts.
fn is_coming(model: &ModelStatus) -> bool {
    let mut replicas = model.deployments.iter().flat_map(|deployment| &deployment.replicas);
    replicas.any(|replica| {
        replica.download.is_some() || matches!(replica.state, ReplicaState::Pulling | ReplicaState::Building)
    })
}

/// Names of the models that are there after the changes and touched by them.
fn touched(changes: &[Change]) -> Vec<String> {
    let stays = |change: &&Change| change.kind == ItemKind::MODEL && change.change != ChangeKind::Deleted;
    changes.iter().filter(stays).map(|change| change.name.clone()).collect()
}

fn verdict(models: &[ModelStatus], failures_since: impl Fn(&str) -> u32) -> Verdict {
    let waiting: Vec<_> = models.iter().filter(|model| model.ready < model.replicas).collect();
    for deployment in waiting.iter().flat_map(|model| &model.deployments) {
        for replica in &deployment.replicas {
            let why = replica.message.as_deref().unwrap_or("no reason known");
            if replica.state == ReplicaState::Failed {
                return Verdict::Hopeless(format!("{} cannot start: {why}", replica.id));
            }
            if failures_since(&replica.id) >= FAILURES {
                return Verdict::Hopeless(format!("{} fails again and again: {why}", replica.id));
            }
        }
    }
    if waiting.is_empty() { Verdict::Ready } else { Verdict::NotYet }
}
