use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ambient::Timestamp;
use parking_lot::Mutex;
use runtime::DockerError;
use runtime::docker::{Building, Pulled};
use serde::Serialize;
use spec::BuildPlan;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// Tasks that are remembered; older ones that have ended are forgotten.
const REMEMBERED: usize = 50;

/// The tasks with images of this manager since it was opened.
#[derive(Debug, Default)]
pub(crate) struct ImageTasks(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    made: u64,
    tasks: VecDeque<ImageTask>,
}

/// Something long that is done with images.
#[derive(Clone, Debug)]
pub(crate) struct ImageTask {
    pub(crate) id: String,
    pub(crate) work: ImageWork,
    pub(crate) actor: String,
    pub(crate) began: Timestamp,
    pub(crate) progress: watch::Receiver<ImageProgress>,
    /// How it ended; none while it runs.
    pub(crate) end: watch::Receiver<Option<TaskEnd>>,
    pub(crate) cancel: CancellationToken,
    /// Who needs it: engines that wait to start, and whoever asked for it, who never goes away.
    needed_by: Arc<AtomicUsize>,
}

/// An engine that waits for a task. The last one that goes away ends what nobody else asked for.
#[derive(Debug)]
pub(crate) struct Waiter(ImageTask);

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ImageWork {
    /// The image of a recipe is built, and what it starts from pulled.
    Build(BuildPlan),
    /// An image is pulled, also where another one has its name here.
    Pull(String),
    /// Images of recipes that nothing needs any more are removed.
    Prune,
    /// An image is removed.
    Remove {
        /// Which.
        image: String,
        /// Whether also if something needs it.
        force: bool,
    },
}

/// How far a task is.
#[derive(Clone, Debug, Default)]
pub(crate) enum ImageProgress {
    /// It has just begun.
    #[default]
    Begun,
    /// An image comes.
    Pulling {
        /// Which.
        image: String,
        /// How much of it.
        pulled: Pulled,
        /// How much comes a second.
        bytes_per_second: u64,
    },
    /// An image is built.
    Building(Building),
}

/// How a task ended.
#[derive(Clone, Debug)]
pub(crate) enum TaskEnd {
    Done(TaskResult),
    Failed(DockerError),
    Cancelled,
}

/// What a task has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskResult {
    /// The image that is here now.
    pub(crate) image: Option<String>,
    /// Its id.
    pub(crate) id: Option<String>,
    /// Bytes of it, or bytes that are free now.
    pub(crate) bytes: u64,
    /// Names of images that were removed.
    pub(crate) removed: Vec<String>,
}

/// How far a task is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskState {
    /// It goes on.
    Running,
    /// It did what it should.
    Succeeded,
    /// It ended early; what it had made so far counts for nothing.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// What a task needs to tell how far it is.
pub(super) struct Teller {
    pub(super) progress: watch::Sender<ImageProgress>,
    pub(super) end: watch::Sender<Option<TaskEnd>>,
}

// === impl ImageTasks ===

impl ImageTasks {
    /// The task that does this already, or a new one: then with what it needs to tell how far it is. None if `most` run
    /// that are other ones.
    pub(super) fn join_or_add(
        &self,
        work: &ImageWork,
        most: usize,
        (actor, began): (&str, Timestamp),
    ) -> Option<(ImageTask, Option<Teller>)> {
        let mut inner = self.0.lock();
        let running = || inner.tasks.iter().filter(|task| task.state() == TaskState::Running);
        if let Some(same) = running().find(|task| task.work == *work && !task.cancel.is_cancelled()) {
            same.needed_by.fetch_add(1, Ordering::AcqRel);
            return Some((same.clone(), None));
        }
        if running().count() >= most {
            return None;
        }
        inner.made += 1;
        let (progress, told) = watch::channel(ImageProgress::default());
        let (end, ended) = watch::channel(None);
        let task = ImageTask {
            id: format!("image-{}", inner.made),
            work: work.clone(),
            actor: actor.to_owned(),
            began,
            progress: told,
            end: ended,
            cancel: CancellationToken::new(),
            needed_by: Arc::new(AtomicUsize::new(1)),
        };
        inner.tasks.push_back(task.clone());
        while inner.tasks.len() > REMEMBERED {
            let ended = inner.tasks.iter().position(|task| task.state() != TaskState::Running);
            let Some(ended) = ended else { break };
            inner.tasks.remove(ended);
        }
        Some((task, Some(Teller { progress, end })))
    }

    /// All that are remembered, oldest first.
    pub(crate) fn all(&self) -> Vec<ImageTask> {
        self.0.lock().tasks.iter().cloned().collect()
    }

    pub(crate) fn get(&self, id: &str) -> Option<ImageTask> {
        self.0.lock().tasks.iter().find(|task| task.id == id).cloned()
    }
}

// === impl ImageTask ===

impl ImageTask {
    pub(crate) fn state(&self) -> TaskState {
        match &*self.end.borrow() {
            None => TaskState::Running,
            Some(TaskEnd::Done(_)) => TaskState::Succeeded,
            Some(TaskEnd::Failed(_)) => TaskState::Failed,
            Some(TaskEnd::Cancelled) => TaskState::Cancelled,
        }
    }

    /// Why it failed, and the last lines of what did.
    pub(crate) fn failure(&self) -> Option<(String, Vec<String>)> {
        match &*self.end.borrow() {
            Some(TaskEnd::Failed(error)) => Some((error.to_string(), error.last_lines().to_vec())),
            _ => None,
        }
    }

    pub(crate) fn result(&self) -> Option<TaskResult> {
        match &*self.end.borrow() {
            Some(TaskEnd::Done(result)) => Some(result.clone()),
            _ => None,
        }
    }

    /// How much of it is done, in percent.
    pub(crate) fn percent(&self) -> u64 {
        let (done, all) = match &*self.progress.borrow() {
            ImageProgress::Begun => (0, 0),
            ImageProgress::Pulling { pulled, .. } => (pulled.bytes, pulled.total),
            ImageProgress::Building(building) => (building.step.saturating_sub(1).into(), building.steps.into()),
        };
        if self.state() == TaskState::Succeeded {
            return 100;
        }
        done.min(all).saturating_mul(100).checked_div(all).unwrap_or(0)
    }
}

// === impl Waiter ===

impl Waiter {
    /// Of a task that was just joined.
    pub(super) const fn new(task: ImageTask) -> Self {
        Self(task)
    }

    /// The task.
    pub(crate) const fn task(&mut self) -> &mut ImageTask {
        &mut self.0
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.0.needed_by.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.cancel.cancel();
        }
    }
}

// === impl ImageWork ===

impl ImageWork {
    /// What it does, in a word.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Build(_) => "build",
            Self::Pull(_) => "pull",
            Self::Prune => "prune",
            Self::Remove { .. } => "remove",
        }
    }

    /// The recipe or the image that it is about.
    pub(crate) fn subject(&self) -> &str {
        match self {
            Self::Build(plan) => &plan.recipe,
            Self::Pull(image) | Self::Remove { image, .. } => image,
            Self::Prune => "",
        }
    }
}
