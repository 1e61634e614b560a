use std::collections::{BTreeMap, BTreeSet};

use runtime::DockerError;
use runtime::docker::Image;
use spec::{BuildPlan, RECIPE_LABEL, Runtime, image};

use crate::Manager;

/// An image that engines need, or that was built here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageRow {
    /// Its name; that of its recipe where that was never built.
    pub(crate) name: String,
    /// The recipe that it is built from.
    pub(crate) recipe: Option<String>,
    /// Whether that recipe says something else by now, or is gone.
    pub(crate) outdated: bool,
    /// Models whose engines run in it.
    pub(crate) used_by: BTreeSet<String>,
    /// Recipes that start from it.
    pub(crate) base_of: BTreeSet<String>,
    /// What is here of it.
    pub(crate) here: Option<Image>,
    /// Why nobody knows whether it is here; none if that is known.
    pub(crate) unknown: Option<String>,
}

// === impl Manager ===

impl Manager {
    /// All images that the desired state names, and all that were built here; without Docker, what the desired state names.
    pub(crate) async fn images(&self) -> Vec<ImageRow> {
        match self.images_here().await {
            Ok(rows) => rows,
            Err(error) => {
                let unknown = Some(error.to_string());
                let rows = self.rows(&BTreeMap::new()).into_values();
                rows.map(|row| ImageRow { unknown: unknown.clone(), ..row }).collect()
            }
        }
    }

    async fn images_here(&self) -> Result<Vec<ImageRow>, DockerError> {
        let docker = self.runtimes().docker();
        let mut rows = self.rows(&self.built_by_plan().await?);
        for row in rows.values_mut() {
            row.here = docker.image(&row.name).await?;
        }
        for built in docker.images_labelled(RECIPE_LABEL).await? {
            for name in built.names.iter().filter(|name| name.starts_with("enginehouse/recipe-")) {
                let recipe = built.labels.get(RECIPE_LABEL).cloned();
                rows.entry(name.clone()).or_insert_with(|| ImageRow {
                    name: name.clone(),
                    recipe,
                    outdated: true,
                    here: Some(built.clone()),
                    ..ImageRow::default()
                });
            }
        }
        Ok(rows.into_values().collect())
    }

    /// The images that the desired state names, those of recipes under the names that these were built as.
    pub(super) fn rows(&self, built: &BTreeMap<BuildPlan, String>) -> BTreeMap<String, ImageRow> {
        let mut rows = BTreeMap::new();
        let name = |plan: &BuildPlan| built.get(plan).cloned().unwrap_or_else(|| plan.repository());
        for (needed, models) in self.needed_images() {
            match needed {
                spec::Image::Named(name) => row(&mut rows, &name).used_by = models,
                spec::Image::Built(plan) => row(&mut rows, &name(&plan)).used_by = models,
            }
        }
        for plan in self.plans() {
            row(&mut rows, &name(&plan)).recipe = Some(plan.recipe.clone());
            row(&mut rows, &plan.base).base_of.insert(plan.recipe);
        }
        rows
    }

    /// The names of all images that recipes lead to now, as far as they are here.
    pub(super) async fn built_names(&self) -> Result<BTreeSet<String>, DockerError> {
        Ok(self.built_by_plan().await?.into_values().collect())
    }

    /// The names of the images that recipes lead to now, as far as they are here.
    pub(super) async fn built_by_plan(&self) -> Result<BTreeMap<BuildPlan, String>, DockerError> {
        let mut names = BTreeMap::new();
        for plan in self.plans() {
            if let Some(name) = self.built_image(&plan).await? {
                names.insert(plan, name);
            }
        }
        Ok(names)
    }

    fn plans(&self) -> Vec<BuildPlan> {
        let current = self.current();
        let recipes = current.document.recipes.iter();
        recipes.map(|recipe| BuildPlan::new(recipe, &current.document.defaults)).collect()
    }

    /// The images of engines in containers, each with the models that need it.
    fn needed_images(&self) -> Vec<(spec::Image, BTreeSet<String>)> {
        let current = self.current();
        let mut needed: Vec<(spec::Image, BTreeSet<String>)> = Vec::new();
        for model in &current.document.models {
            let engines = model.deployments.iter().filter_map(|deployment| deployment.engine.as_ref());
            for engine in engines.filter(|engine| engine.runtime == Runtime::Docker) {
                let image = image(&current.document, model.model_type, engine);
                match needed.iter_mut().find(|(known, _)| *known == image) {
                    Some((_, models)) => drop(models.insert(model.name.clone())),
                    None => needed.push((image, BTreeSet::from([model.name.clone()]))),
                }
            }
        }
        needed
    }
}

fn row<'a>(rows: &'a mut BTreeMap<String, ImageRow>, name: &str) -> &'a mut ImageRow {
    rows.entry(name.to_owned()).or_insert_with(|| ImageRow { name: name.to_owned(), ..ImageRow::default() })
}
