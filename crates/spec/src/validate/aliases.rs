use std::collections::BTreeMap;

use super::name;
use crate::{Alias, Model, fault::Scope, limits, quote::Quoted};

/// Other names for models. That what they stand for is there is checked with all other references.
pub(super) fn check(here: &mut Scope<'_>, aliases: &BTreeMap<String, Alias>, models: &[Model]) {
    if aliases.len() > limits::ALIASES {
        here.fault(format!("{} names are given; give at most {}", aliases.len(), limits::ALIASES));
    }
    for alias in aliases.keys() {
        let mut here = here.field(alias);
        // No alias is a second model of this name.
        name::check(&mut here, alias, 0, 0);
        if models.iter().any(|model| model.name == *alias) {
            here.fault(format!("{} is the name of a model; choose another alias", Quoted(alias)));
        }
        if let Some(circle) = circle(aliases, alias) {
            here.fault(format!("stands for itself: {}; let one of them stand for a model", circle.join(" → ")));
        }
    }
}

/// The names from `alias` back to itself, if they lead there.
fn circle<'a>(aliases: &'a BTreeMap<String, Alias>, alias: &'a str) -> Option<Vec<String>> {
    let mut way = vec![Quoted(alias).to_string()];
    let mut at = alias;
    // Whoever goes on for longer than there are names is in another circle, which is reported where it is.
    for _ in 0..=aliases.len() {
        at = aliases.get(at)?.model();
        way.push(Quoted(at).to_string());
        if at == alias {
            return Some(way);
        }
    }
    None
}
