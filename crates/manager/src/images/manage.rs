use runtime::DockerError;
use runtime::docker::with_tag;
use serde_json::json;
use spec::{BuildPlan, RECIPE_LABEL};
use store::AuditEntry;

use super::task::Teller;
use super::{AT_ONCE, ImageFault, ImageTask, ImageWork, TaskEnd, TaskResult, Waiter};
use crate::{Actor, Manager};

/// Who has what is built for engines to start.
const ITSELF: &str = "enginehouse";

// === impl Manager ===

impl Manager {
    /// Begins to build what a recipe says, or joins who does.
    pub(crate) async fn begin_build(&self, recipe: &str, actor: &Actor) -> Result<ImageTask, ImageFault> {
        let current = self.current();
        let found = current.document.recipes.iter().find(|one| one.name == recipe);
        let found = found.ok_or_else(|| ImageFault::NoRecipe(recipe.to_owned()))?;
        let plan = BuildPlan::new(found, &current.document.defaults);
        self.begin_asked(ImageWork::Build(plan), actor).await
    }

    /// Begins to pull an image, or joins who does.
    pub(crate) async fn begin_image_pull(&self, image: &str, actor: &Actor) -> Result<ImageTask, ImageFault> {
        spec::check_image("image", image).map_err(|fault| ImageFault::Field("image", fault.message))?;
        self.begin_asked(ImageWork::Pull(image.to_owned()), actor).await
    }

    /// Begins to remove the images of recipes that nothing needs any more.
    pub(crate) async fn begin_prune(&self, actor: &Actor) -> Result<ImageTask, ImageFault> {
        self.begin_asked(ImageWork::Prune, actor).await
    }

    /// Begins to remove an image.
    pub(crate) async fn begin_remove(&self, image: &str, force: bool, actor: &Actor) -> Result<ImageTask, ImageFault> {
        spec::check_image("image", image).map_err(|fault| ImageFault::Field("image", fault.message))?;
        self.begin_asked(ImageWork::Remove { image: with_tag(image), force }, actor).await
    }

    /// Ends a task; one that has ended stays as it is.
    pub(crate) async fn cancel_image_task(&self, id: &str, actor: &Actor) -> Result<ImageTask, ImageFault> {
        let task = self.inner().image_tasks.get(id).ok_or(ImageFault::NoTask)?;
        self.audit_image(actor, "image.cancel", task.work.subject(), json!({ "id": id })).await?;
        task.cancel.cancel();
        Ok(task)
    }

    /// Builds what an engine needs to start, or joins who does.
    pub(crate) fn build_for_engine(&self, plan: BuildPlan) -> Option<Waiter> {
        // As many as there are recipes, which people have named.
        self.begin_task(&ImageWork::Build(plan), usize::MAX, ITSELF).map(Waiter::new)
    }

    async fn begin_asked(&self, work: ImageWork, actor: &Actor) -> Result<ImageTask, ImageFault> {
        let action = match &work {
            ImageWork::Build(_) => "image.build",
            ImageWork::Pull(_) => "image.pull",
            ImageWork::Prune => "image.prune",
            ImageWork::Remove { .. } => "image.remove",
        };
        let detail = match &work {
            ImageWork::Remove { force, .. } => json!({ "force": force }),
            _ => json!({}),
        };
        self.audit_image(actor, action, work.subject(), detail).await?;
        self.begin_task(&work, AT_ONCE, actor.name()).ok_or(ImageFault::TooMany(AT_ONCE))
    }

    fn begin_task(&self, work: &ImageWork, most: usize, actor: &str) -> Option<ImageTask> {
        let (task, teller) = self.inner().image_tasks.join_or_add(work, most, (actor, self.config().clock.now()))?;
        if let Some(teller) = teller {
            let (manager, work, cancel) = (self.clone(), work.clone(), task.cancel.clone());
            self.spawn(async move {
                let done = cancel.run_until_cancelled(manager.work_on(&work, &teller)).await;
                let end = match done {
                    None => TaskEnd::Cancelled,
                    Some(Ok(result)) => TaskEnd::Done(result),
                    Some(Err(error)) => TaskEnd::Failed(error),
                };
                if let TaskEnd::Failed(error) = &end {
                    tracing::warn!(work = work.kind(), subject = work.subject(), %error, "a task with an image failed");
                }
                teller.end.send_replace(Some(end));
            });
        }
        Some(task)
    }

    async fn work_on(&self, work: &ImageWork, teller: &Teller) -> Result<TaskResult, DockerError> {
        let image = match work {
            ImageWork::Build(plan) => self.build_image(plan, &teller.progress).await?,
            ImageWork::Pull(image) => {
                self.pull_image(image, &teller.progress).await?;
                image.clone()
            }
            ImageWork::Prune => return self.prune_images().await,
            ImageWork::Remove { image, force } => return self.remove_image(image, *force).await,
        };
        let found = self.runtimes().docker().image(&image).await?;
        let bytes = found.as_ref().map_or(0, |found| found.bytes);
        Ok(TaskResult { image: Some(image), id: found.map(|found| found.id), bytes, removed: Vec::new() })
    }

    /// Removes images of recipes that no recipe leads to any more. Docker keeps those that a container is made of.
    async fn prune_images(&self) -> Result<TaskResult, DockerError> {
        let docker = self.runtimes().docker();
        let needed = self.built_names().await?;
        let mut result = TaskResult::default();
        for image in docker.images_labelled(RECIPE_LABEL).await? {
            let all_old = image.names.iter().all(|name| !needed.contains(name));
            for name in image.names.iter().filter(|name| all_old && name.starts_with("enginehouse/recipe-")) {
                match docker.remove_image(name, false).await {
                    Ok(()) => {
                        result.bytes += image.bytes;
                        result.removed.push(name.clone());
                    }
                    Err(error @ DockerError::Away { .. }) => return Err(error),
                    Err(error) => tracing::info!(image = name, %error, "an image stays"),
                }
            }
        }
        Ok(result)
    }

    async fn audit_image(
        &self,
        actor: &Actor,
        action: &str,
        subject: &str,
        detail: serde_json::Value,
    ) -> Result<(), ImageFault> {
        let entry = AuditEntry { at: self.config().clock.now(), by: actor.by(), action, subject, detail };
        Ok(self.store().audit().add(&entry).await?)
    }
}
