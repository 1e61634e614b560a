use std::collections::HashMap;

use crate::{Document, Faults, fault::Scope, limits as bounds, reference};

mod cache;
mod command;
mod deployment;
mod endpoint;
mod engine;
mod environment;
mod housekeeping;
mod limits;
mod name;
mod number;
mod price;
mod requests;
mod routing;
mod url;

/// Checks everything that the types of a document cannot express, and names all faults at once.
///
/// Pure: whether a variable is set, a file is there or a GPU exists is checked where the document is used.
pub fn validate(document: &Document) -> Result<(), Faults> {
    let Document { version, models, routing, ledger: _, cache, requests, limits, housekeeping } = document;
    let mut faults = Vec::new();
    let mut root = Scope::root(&mut faults);
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
        limits::check(&mut here.field("limits"), &model.limits);
    }
    routing::check(&mut root.field("routing"), routing);
    cache::check(&mut root.field("cache"), cache);
    requests::check(&mut root.field("requests"), requests);
    limits::check(&mut root.field("limits"), limits);
    housekeeping::check(&mut root.field("housekeeping"), housekeeping);
    reference::check(&mut root, document);
    Faults::from_list(faults)
}

#[cfg(test)]
mod tests;
