use std::collections::HashSet;

use serde_json::Value;

use super::read::read;
use super::{ItemKind, Kind, json};
use crate::{Document, Fault, ItemId, Model, Reference, environment_variable, quote::Quoted};

/// Models, by their public names.
pub(super) struct Models;

// === impl ItemKind ===

impl ItemKind {
    /// A model, by its public name.
    pub const MODEL: Self = Self(&Models);
}

// === impl Models ===

impl Kind for Models {
    fn name(&self) -> &'static str {
        "model"
    }

    fn items(&self, document: &Document) -> Vec<(String, Value)> {
        let mut names = HashSet::with_capacity(document.models.len());
        let firsts = document.models.iter().filter(|model| names.insert(&model.name));
        firsts.map(|model| (model.name.clone(), json(model))).collect()
    }

    fn put(&self, document: &mut Document, name: &str, data: Value) -> Result<(), Fault> {
        let model: Model = read(data)?;
        if model.name != name {
            let message = format!(
                "name is {}, but the item is {}; to rename a model, delete it and make another",
                Quoted(&model.name),
                Quoted(name)
            );
            return Err(Fault { path: "name".to_owned(), message });
        }
        match document.models.iter_mut().find(|model| model.name == name) {
            Some(place) => *place = model,
            None => document.models.push(model),
        }
        Ok(())
    }

    fn remove(&self, document: &mut Document, name: &str) -> bool {
        let before = document.models.len();
        document.models.retain(|model| model.name != name);
        document.models.len() < before
    }

    fn locate<'p>(&self, document: &Document, path: &'p str) -> Option<(String, &'p str)> {
        let (index, below) = path.strip_prefix("models[")?.split_once(']')?;
        let model = document.models.get(index.parse::<usize>().ok()?)?;
        Some((model.name.clone(), below.trim_start_matches('.')))
    }

    fn references(&self, document: &Document) -> Vec<Reference> {
        document.models.iter().flat_map(|model| credentials_of(model).into_iter().chain(recipes_of(model))).collect()
    }

    fn place(&self, document: &Document, name: &str) -> Option<String> {
        let index = document.models.iter().position(|model| model.name == name)?;
        Some(format!("models[{index}]"))
    }
}

/// The credentials that a model's endpoints name.
fn credentials_of(model: &Model) -> Vec<Reference> {
    let endpoints =
        model.deployments.iter().enumerate().filter_map(|(index, one)| Some((index, one.endpoint.as_ref()?)));
    let named = endpoints.filter_map(|(index, endpoint)| Some((index, endpoint.credential.as_deref()?)));
    let by_name = named.filter(|(_, credential)| environment_variable(credential).is_none());
    let reference = |(index, name): (usize, &str)| Reference {
        from: ItemId::new(ItemKind::MODEL, &model.name),
        path: format!("deployments[{index}].endpoint.credential"),
        to: ItemId::new(ItemKind::CREDENTIAL, name),
    };
    by_name.map(reference).collect()
}

/// The recipes that a model's engines name.
fn recipes_of(model: &Model) -> Vec<Reference> {
    let engines = model.deployments.iter().enumerate().filter_map(|(index, one)| Some((index, one.engine.as_ref()?)));
    let named = engines.filter_map(|(index, engine)| Some((index, engine.recipe.as_deref()?)));
    let reference = |(index, name): (usize, &str)| Reference {
        from: ItemId::new(ItemKind::MODEL, &model.name),
        path: format!("deployments[{index}].engine.recipe"),
        to: ItemId::new(ItemKind::RECIPE, name),
    };
    named.map(reference).collect()
}
