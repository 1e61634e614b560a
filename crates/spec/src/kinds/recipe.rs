use std::collections::HashSet;

use serde_json::Value;

use super::read::read;
use super::{ItemKind, Kind, json};
use crate::{Document, Fault, Recipe, quote::Quoted};

/// Recipes of images, by their names.
pub(super) struct Recipes;

// === impl ItemKind ===

impl ItemKind {
    /// A recipe of an image, by its name.
    pub const RECIPE: Self = Self(&Recipes);
}

// === impl Recipes ===

impl Kind for Recipes {
    fn name(&self) -> &'static str {
        "recipe"
    }

    fn items(&self, document: &Document) -> Vec<(String, Value)> {
        let mut names = HashSet::with_capacity(document.recipes.len());
        let firsts = document.recipes.iter().filter(|recipe| names.insert(&recipe.name));
        firsts.map(|recipe| (recipe.name.clone(), json(recipe))).collect()
    }

    fn put(&self, document: &mut Document, name: &str, data: Value) -> Result<(), Fault> {
        let recipe: Recipe = read(data)?;
        if recipe.name != name {
            let message = format!(
                "name is {}, but the item is {}; to rename a recipe, make another and delete this one",
                Quoted(&recipe.name),
                Quoted(name)
            );
            return Err(Fault { path: "name".to_owned(), message });
        }
        match document.recipes.iter_mut().find(|recipe| recipe.name == name) {
            Some(place) => *place = recipe,
            None => document.recipes.push(recipe),
        }
        Ok(())
    }

    fn remove(&self, document: &mut Document, name: &str) -> bool {
        let before = document.recipes.len();
        document.recipes.retain(|recipe| recipe.name != name);
        document.recipes.len() < before
    }

    fn locate<'p>(&self, document: &Document, path: &'p str) -> Option<(String, &'p str)> {
        let (index, below) = path.strip_prefix("recipes[")?.split_once(']')?;
        let recipe = document.recipes.get(index.parse::<usize>().ok()?)?;
        Some((recipe.name.clone(), below.trim_start_matches('.')))
    }

    fn place(&self, document: &Document, name: &str) -> Option<String> {
        let index = document.recipes.iter().position(|recipe| recipe.name == name)?;
        Some(format!("recipes[{index}]"))
    }
}
