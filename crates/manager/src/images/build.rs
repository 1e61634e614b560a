use runtime::DockerError;
use runtime::docker::{Image, Pulled};
use spec::BuildPlan;
use tokio::sync::watch;

use super::rate::Rate;
use super::task::ImageProgress;
use crate::Manager;
use crate::digest::sha256;

/// Digits of the hash that are the tag of an image.
const TAG: usize = 32;

/// Label with a hash of what a recipe says: leads to what was built from it where the image that it started from is gone.
const CONTENT: &str = "enginehouse-recipe-content";

/// What is to be built.
struct Build {
    /// Name and tag: a hash of all that it is built from, so that the name alone tells whether it is here.
    name: String,
    dockerfile: String,
}

// === impl Manager ===

impl Manager {
    /// The image of a recipe, if it is here. Where what it starts from is not, the last one that was built from the same.
    pub(crate) async fn built_image(&self, plan: &BuildPlan) -> Result<Option<String>, DockerError> {
        let docker = self.runtimes().docker();
        let Some(base) = docker.image(&plan.base).await? else { return self.built_before(plan).await };
        let Build { name, .. } = build(plan, &base)?;
        Ok(docker.has_image(&name).await?.then_some(name))
    }

    async fn built_before(&self, plan: &BuildPlan) -> Result<Option<String>, DockerError> {
        let mut found = self.runtimes().docker().images_labelled(&format!("{CONTENT}={}", content(plan))).await?;
        found.sort_by_key(|image| image.made);
        let prefix = format!("{}:", plan.repository());
        let names = found.into_iter().rev().flat_map(|image| image.names);
        Ok(names.into_iter().find(|name| name.starts_with(&prefix)))
    }

    /// Builds the image of a recipe, unless it is here; its name.
    pub(super) async fn build_image(
        &self,
        plan: &BuildPlan,
        progress: &watch::Sender<ImageProgress>,
    ) -> Result<String, DockerError> {
        if let Some(name) = self.built_image(plan).await? {
            return Ok(name);
        }
        let docker = self.runtimes().docker();
        let base = match docker.image(&plan.base).await? {
            Some(base) => base,
            None => self.pull_image(&plan.base, progress).await?,
        };
        let Build { name, dockerfile } = build(plan, &base)?;
        tracing::info!(recipe = plan.recipe, image = name, base = plan.base, "building an image");
        docker
            .build(&name, &dockerfile, (CONTENT, &content(plan)), |building| {
                progress.send_replace(ImageProgress::Building(building.clone()));
            })
            .await?;
        tracing::info!(recipe = plan.recipe, image = name, "image built");
        Ok(name)
    }

    /// Pulls an image, also where it is here: its name may mean another one by now.
    pub(super) async fn pull_image(
        &self,
        image: &str,
        progress: &watch::Sender<ImageProgress>,
    ) -> Result<Image, DockerError> {
        let docker = self.runtimes().docker();
        let mut rate = Rate::new(self.config().clock.clone());
        let mut tell = |pulled: Pulled| {
            let bytes_per_second = rate.at(pulled.bytes);
            progress.send_replace(ImageProgress::Pulling { image: image.to_owned(), pulled, bytes_per_second });
        };
        tell(Pulled::default());
        docker.pull(image, tell).await?;
        let absent = || DockerError::Image { image: image.to_owned(), reason: "it was pulled, and is not here".into() };
        docker.image(image).await?.ok_or_else(absent)
    }
}

/// A hash of what the recipe says.
fn content(plan: &BuildPlan) -> String {
    // Cannot fail: all of it is text.
    sha256(&serde_json::to_vec(plan).unwrap_or_default())
}

fn build(plan: &BuildPlan, base: &Image) -> Result<Build, DockerError> {
    let user = base.user.as_deref();
    let fits = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    if let Some(user) = user.filter(|user| !user.chars().all(fits)) {
        return Err(DockerError::Build {
            image: plan.repository(),
            step: "before its first step".to_owned(),
            reason: format!("its base {} runs as the user {user:?}, which is no name", plan.base),
            last_lines: Vec::new(),
        });
    }
    let dockerfile = plan.dockerfile(&base.id, user);
    let tag: String = sha256(dockerfile.as_bytes()).chars().take(TAG).collect();
    Ok(Build { name: format!("{}:{tag}", plan.repository()), dockerfile })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use spec::{Format, parse};

    use super::*;

    fn name(recipe: &str, id: &str, user: Option<&str>) -> Result<String, DockerError> {
        let document =
            parse(&format!("version: 1\nrecipes: [{{name: audio, base: 'b:1', {recipe}}}]"), Format::Yaml).unwrap();
        let base = Image {
            id: id.to_owned(),
            names: Vec::new(),
            digest: None,
            bytes: 0,
            made: None,
            labels: BTreeMap::new(),
            user: user.map(str::to_owned),
            entrypoint: Vec::new(),
        };
        build(&BuildPlan::new(&document.recipes[0], &document.defaults), &base).map(|build| build.name)
    }

    #[test]
    fn a_name_is_the_hash_of_what_an_image_is_built_from() {
        let first = name("pip: [a==1, b==2], apt: [c]", "sha256:01", None).unwrap();
        assert!(first.starts_with("enginehouse/recipe-audio:") && first.len() == 25 + TAG, "{first}");
        assert_eq!(first, name("apt: [c], pip: [b==2, a==1]", "sha256:01", None).unwrap());
        for (recipe, id, user) in [
            ("pip: [a==1, b==3], apt: [c]", "sha256:01", None),
            ("pip: [a==1, b==2]", "sha256:01", None),
            ("pip: [a==1, b==2], apt: [c]", "sha256:02", None),
            ("pip: [a==1, b==2], apt: [c]", "sha256:01", Some("app")),
        ] {
            assert_ne!(first, name(recipe, id, user).unwrap(), "{recipe}");
        }
        let hostile = name("apt: [c]", "sha256:01", Some("a\nRUN evil")).unwrap_err().to_string();
        assert!(hostile.contains("which is no name"), "{hostile}");
    }
}
