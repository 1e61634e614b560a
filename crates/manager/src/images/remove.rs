use runtime::DockerError;
use runtime::docker::{Holder, Image, with_tag};

use super::{ImageRow, TaskResult};
use crate::Manager;

// === impl Manager ===

impl Manager {
    /// Takes its name from an image, and the image away if nothing else leads to it. Refused, unless forced, while the desired
    /// state needs it or containers of ours are made of it; those of others always count.
    pub(super) async fn remove_image(&self, name: &str, force: bool) -> Result<TaskResult, DockerError> {
        let docker = self.runtimes().docker();
        let absent = || DockerError::Missing { message: format!("no image {name} is here") };
        let image = docker.image(name).await?.ok_or_else(absent)?;
        let (ours, others) = self.holders(&image).await?;
        let stays = |users, advice| DockerError::ImageInUse { image: name.to_owned(), users, advice };
        if !others.is_empty() {
            return Err(stays(others, "they are not managed by this Enginehouse: remove them first"));
        }
        let rows = self.rows(&self.built_by_plan().await?);
        let needing = rows.values().filter(|row| with_tag(&row.name) == name).flat_map(users);
        let users: Vec<_> = needing.chain(ours).collect();
        if !force && !users.is_empty() {
            return Err(stays(users, "change or remove them first, or force it (`--force`)"));
        }
        docker.remove_image(name, force).await?;
        tracing::info!(image = name, force, "image removed");
        let is_gone = docker.image(&image.id).await?.is_none();
        let bytes = if is_gone { image.bytes } else { 0 };
        Ok(TaskResult { image: None, id: Some(image.id), bytes, removed: vec![name.to_owned()] })
    }

    /// The containers that would lose their image, in words: our own, and all others. None while it keeps another name.
    async fn holders(&self, image: &Image) -> Result<(Vec<String>, Vec<String>), DockerError> {
        if image.names.len() > 1 {
            return Ok((Vec::new(), Vec::new()));
        }
        let all = self.runtimes().docker().holders(&image.id).await?;
        let (ours, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|holder| holder.instance.as_deref() == Some(&self.inner().instance));
        let words = |holders: Vec<Holder>| {
            holders.into_iter().map(|holder| format!("the container {} is made of it", holder.name)).collect()
        };
        Ok((words(ours), words(others)))
    }
}

/// Who needs it, in words.
fn users(row: &ImageRow) -> Vec<String> {
    let models = row.used_by.iter().map(|model| format!("engines of the model {model} run in it"));
    models.chain(row.base_of.iter().map(|recipe| format!("the recipe {recipe} starts from it"))).collect()
}
