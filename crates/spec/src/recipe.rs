//! Images that are built here. Pure: what is built from a recipe is one text, and that names the image.

use std::fmt;

use serde::Serialize;

use crate::{Defaults, ModelType, Recipe, defaults};

/// Changes where the same packages are built into an image in another way: all are built anew then.
const BUILDER: u32 = 1;
/// Name of the label that names the recipe.
pub const RECIPE_LABEL: &str = "enginehouse-recipe";

/// The image of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Image {
    /// It lies in a registry, or here.
    Named(String),
    /// It is built here.
    Built(BuildPlan),
}

/// What an image is built from. The order in which a recipe names packages makes no difference.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct BuildPlan {
    /// Name of the recipe.
    pub recipe: String,
    /// The image that it starts from.
    pub base: String,
    apt: Vec<String>,
    pip: Vec<String>,
    builder: u32,
}

// === impl Image ===

impl fmt::Display for Image {
    /// For people: an image of a recipe has its name once it is built.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Built(plan) => write!(f, "recipe {}", plan.recipe),
        }
    }
}

// === impl BuildPlan ===

impl BuildPlan {
    /// As the recipe says, with the bases that apply.
    pub fn new(recipe: &Recipe, common: &Defaults) -> Self {
        let program = |chosen: &Option<String>, model_type| {
            chosen.clone().unwrap_or_else(|| defaults(model_type).image.to_owned())
        };
        let base = match recipe.base.as_str() {
            Recipe::VLLM => program(&common.images.vllm, ModelType::Chat),
            Recipe::VLLM_OMNI => program(&common.images.vllm_omni, ModelType::TextToSpeech),
            image => image.to_owned(),
        };
        let sorted = |packages: &[String]| {
            let mut packages = packages.to_vec();
            packages.sort_unstable();
            packages
        };
        Self { recipe: recipe.name.clone(), base, apt: sorted(&recipe.apt), pip: sorted(&recipe.pip), builder: BUILDER }
    }

    /// The Dockerfile, on the image `base` (its id, so that it stays the same) that runs as `user`, if it says so. Equal
    /// texts build equal images, as far as the packages have versions.
    ///
    /// Names of packages were [checked](crate::validate): none holds what a shell would act upon.
    pub fn dockerfile(&self, base: &str, user: Option<&str>) -> String {
        let user = user.filter(|user| !user.is_empty());
        let mut lines = vec![format!("FROM {base}")];
        lines.extend(user.map(|_| "USER root".to_owned()));
        lines.extend((!self.apt.is_empty()).then(|| {
            run(&format!(
                "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends {} && rm -rf /var/lib/apt/lists/*",
                self.apt.join(" ")
            ))
        }));
        lines.extend((!self.pip.is_empty()).then(|| {
            run(&format!(
                "PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --no-input --no-cache-dir --disable-pip-version-check {}",
                self.pip.join(" ")
            ))
        }));
        lines.extend(user.map(|user| format!("USER {user}")));
        lines.push(format!(
            "LABEL managed-by=enginehouse {RECIPE_LABEL}={} enginehouse-builder={}",
            self.recipe, self.builder
        ));
        lines.join("\n") + "\n"
    }

    /// The name of the image without its tag.
    pub fn repository(&self) -> String {
        format!("enginehouse/recipe-{}", self.recipe)
    }
}

/// By a shell of its own, whichever the base has chosen.
fn run(script: &str) -> String {
    let words = serde_json::json!(["/bin/sh", "-ec", script]);
    format!("RUN {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(recipe: &str, common: &str) -> BuildPlan {
        let text = format!("version: 1\ndefaults: {{{common}}}\nrecipes: [{{name: audio, {recipe}}}]");
        let document = crate::parse(&text, crate::Format::Yaml).unwrap();
        BuildPlan::new(&document.recipes[0], &document.defaults)
    }

    #[test]
    fn a_recipe_becomes_one_text() {
        let made = plan("apt: [ffmpeg], pip: [soundfile==1, librosa==0.10.2]", "images: {vllm: v:1}");
        assert_eq!(made.base, "v:1");
        let text = made.dockerfile("sha256:00", Some("app"));
        let expected = r#"FROM sha256:00
USER root
RUN ["/bin/sh","-ec","apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*"]
RUN ["/bin/sh","-ec","PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --no-input --no-cache-dir --disable-pip-version-check librosa==0.10.2 soundfile==1"]
USER app
LABEL managed-by=enginehouse enginehouse-recipe=audio enginehouse-builder=1
"#;
        assert_eq!(text, expected);
        let turned = plan("pip: [librosa==0.10.2, soundfile==1], apt: [ffmpeg]", "images: {vllm: v:1}");
        assert_eq!(made, turned, "the order makes no difference");
        assert_ne!(made, plan("apt: [ffmpeg], pip: [soundfile==2, librosa==0.10.2]", "images: {vllm: v:1}"));
    }

    #[test]
    fn a_base_is_a_program_or_an_image() {
        let images = "images: {vllm: v:1, vllm-omni: o:1}";
        assert_eq!(plan("apt: [a]", "").base, defaults(ModelType::Chat).image);
        assert_eq!(plan("base: vllm-omni, apt: [a]", "").base, defaults(ModelType::TextToSpeech).image);
        assert_eq!(plan("base: vllm-omni, apt: [a]", images).base, "o:1");
        assert_eq!(plan("base: 'x/vllm:2', apt: [a]", images).base, "x/vllm:2");
    }
}
