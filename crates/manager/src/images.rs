//! Images of engines: built from recipes, pulled, listed, removed. What takes long is a task that goes on by itself; the
//! reconciler and people share those, so that nothing is built twice at once.

use runtime::DockerError;

mod build;
mod manage;
mod overview;
mod rate;
mod remove;
mod task;

pub(crate) use overview::ImageRow;
pub(crate) use task::{ImageProgress, ImageTask, ImageTasks, ImageWork, TaskEnd, TaskResult, TaskState, Waiter};

/// Tasks that people began and that run at once.
const AT_ONCE: usize = 4;

/// Images cannot be handled as wished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageFault {
    #[error("{1}")]
    Field(&'static str, String),
    #[error("there is no such task (any more)")]
    NoTask,
    #[error("there is no recipe called {0}; see `recipes` in the desired state that applies")]
    NoRecipe(String),
    #[error("{0} tasks with images run already: wait for one of them, or cancel it")]
    TooMany(usize),
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error(transparent)]
    Store(#[from] store::Error),
}
