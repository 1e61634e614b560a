use std::collections::HashMap;

use crate::{Document, Fault, Faults, ItemId, fault::Scope, limits as bounds, reference};

mod aliases;
mod cache;
mod command;
mod container;
mod credential;
mod defaults;
mod deployment;
mod endpoint;
mod engine;
mod environment;
mod fallbacks;
mod housekeeping;
mod limits;
mod name;
mod number;
mod parallel;
mod passthrough;
mod ports;
mod price;
mod recipe;
mod requests;
mod routing;
mod setting;
pub(crate) mod template;
mod url;

pub(crate) use fallbacks::EVERY;

/// Checks everything that the types of a document cannot express, and names all faults at once.
///
/// Pure: whether a variable is set, a file is there or a GPU exists is checked where the document is used.
pub fn validate(document: &Document) -> Result<(), Faults> {
    let mut faults = Vec::new();
    check(document, &mut faults);
    reference::check(&mut Scope::root(&mut faults), document);
    Faults::from_list(faults)
}

/// Checks one item of a document by itself: what it names in other items may still be missing. The paths of the faults
/// start at the item.
pub fn validate_item(document: &Document, id: &ItemId) -> Result<(), Faults> {
    let mut faults = Vec::new();
    check(document, &mut faults);
    let of_item = faults.into_iter().filter_map(|fault| match document.locate(&fault.path) {
        Some((found, below)) if found == *id => Some(Fault { path: below.to_owned(), message: fault.message }),
        _ => None,
    });
    Faults::from_list(of_item.collect())
}

/// Checks the name of an image that stands in `field`.
pub fn check_image(field: &str, image: &str) -> Result<(), Fault> {
    let mut faults = Vec::new();
    container::check_image(&mut Scope::root(&mut faults), field, image);
    faults.pop().map_or(Ok(()), Err)
}

fn check(document: &Document, faults: &mut Vec<Fault>) {
    let Document {
        version,
        models,
        defaults,
        credentials,
        recipes,
        aliases,
        routing,
        ledger: _,
        cache,
        requests,
        limits,
        housekeeping,
        passthrough,
    } = document;
    let mut root = Scope::root(faults);
    if *version != bounds::VERSION {
        root.field("version").fault(format!("version is {version}; this build reads version {}", bounds::VERSION));
    }
    let mut names = HashMap::new();
    let mut ids = HashMap::new();
    for (index, model) in models.iter().enumerate() {
        let mut models = root.field("models");
        let mut here = models.element(index);
        name::check(&mut here.field("name"), &model.name, *names.entry(&model.name).or_insert(index), index);
        for (position, deployment) in model.deployments.iter().enumerate() {
            deployment::check(&mut here.field("deployments").element(position), deployment, &mut ids);
        }
        price::check(&mut here.field("price"), &model.price);
        routing::check_retries(&mut here, model.retries);
        routing::check_retry_policy(&mut here.field("retry_policy"), &model.retry_policy);
        limits::check(&mut here.field("limits"), &model.limits);
    }
    let mut names = HashMap::new();
    for (index, credential) in credentials.iter().enumerate() {
        credential::check(&mut root.field("credentials").element(index), credential, &mut names);
    }
    let mut names = HashMap::new();
    for (index, recipe) in recipes.iter().enumerate() {
        recipe::check(&mut root.field("recipes").element(index), recipe, &mut names);
    }
    ports::check(&mut root, models);
    defaults::check(&mut root.field("defaults"), defaults);
    aliases::check(&mut root.field("aliases"), aliases, models);
    routing::check(&mut root.field("routing"), routing);
    fallbacks::check(&mut root.field("routing"), document);
    cache::check(&mut root.field("cache"), cache);
    requests::check(&mut root.field("requests"), requests);
    limits::check(&mut root.field("limits"), limits);
    housekeeping::check(&mut root.field("housekeeping"), housekeeping);
    passthrough::check(&mut root.field("passthrough"), passthrough);
}

#[cfg(test)]
mod tests;
