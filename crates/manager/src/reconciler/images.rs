use runtime::DockerError;
use runtime::docker::Pulled;
use spec::{BuildPlan, Image};

use super::prepare::Obstacle;
use super::replica::Step;
use super::turns::Turn;
use crate::Manager;
use crate::images::{ImageProgress, TaskEnd};

// === impl Manager ===

impl Manager {
    /// Sees to it that the image of a replica is here: pulls or builds it, and lets others by meanwhile; its name.
    pub(super) async fn ensure_image(&self, id: &str, image: &Image, turn: &Turn) -> Result<String, Obstacle> {
        match image {
            Image::Named(name) => self.ensure_pulled(id, name, turn).await.map(|()| name.clone()),
            Image::Built(plan) => self.ensure_built(id, plan, turn).await,
        }
    }

    async fn ensure_pulled(&self, id: &str, image: &str, turn: &Turn) -> Result<(), Obstacle> {
        let docker = self.runtimes().docker();
        if docker.has_image(image).await? {
            return Ok(());
        }
        let pulling = |pulled| self.step(id, Step::Pulling { image: image.to_owned(), pulled });
        turn.let_by();
        pulling(Pulled::default());
        tracing::info!(replica = id, image, "pulling an image");
        Ok(docker.pull(image, pulling).await?)
    }

    /// One build for all replicas that need it; it ends with the last of them.
    async fn ensure_built(&self, id: &str, plan: &BuildPlan, turn: &Turn) -> Result<String, Obstacle> {
        if let Some(name) = self.built_image(plan).await? {
            return Ok(name);
        }
        turn.let_by();
        let given_up = || Obstacle::Failed(format!("the build of the recipe {} was ended", plan.recipe));
        let mut waiter = self.build_for_engine(plan.clone()).ok_or_else(given_up)?;
        let task = waiter.task();
        loop {
            self.step(id, building(plan, &task.progress.borrow_and_update().clone()));
            let ended = task.end.borrow_and_update().clone();
            match ended {
                Some(TaskEnd::Done(result)) => return result.image.ok_or_else(given_up),
                Some(TaskEnd::Failed(error)) => return Err(self.build_failed(id, error)),
                Some(TaskEnd::Cancelled) => return Err(given_up()),
                None => {}
            }
            tokio::select! {
                changed = task.end.changed() => changed.map_err(|_| given_up())?,
                // Its sender goes with that of the end.
                Ok(()) = task.progress.changed() => {}
            }
        }
    }

    fn build_failed(&self, id: &str, error: DockerError) -> Obstacle {
        let lines = error.last_lines().to_vec();
        self.inner().fleet.update_known(id, |replica| replica.last_lines = lines);
        error.into()
    }
}

fn building(plan: &BuildPlan, progress: &ImageProgress) -> Step {
    match progress {
        ImageProgress::Pulling { image, pulled, .. } => Step::Pulling { image: image.clone(), pulled: *pulled },
        ImageProgress::Begun => Step::Building { what: format!("recipe {}", plan.recipe) },
        ImageProgress::Building(building) => {
            Step::Building { what: format!("recipe {}, {}", plan.recipe, building.place()) }
        }
    }
}
