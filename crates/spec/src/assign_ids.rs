use std::collections::{HashMap, HashSet};

use crate::{Deployment, Document, Model};

/// The ids that are taken, and where new ones come from.
struct Ids<'a> {
    taken: HashSet<String>,
    fresh: &'a mut dyn FnMut() -> String,
}

// === impl Document ===

impl Document {
    /// Gives an id to every deployment that has none; afterwards no two that this gave are equal, nor equal to one
    /// that stood there.
    ///
    /// A deployment gets the id that it had in `previous` under the same model name: first where it has the same
    /// target (an endpoint's `url` and `model`; an engine's `source`, `runtime` and `command`), then where one of the
    /// same kind stood at the same position. What is left gets one from `fresh`, with a number behind it if
    /// that is taken.
    pub fn assign_ids(&mut self, previous: Option<&Self>, fresh: &mut dyn FnMut() -> String) {
        let mut ids = Ids { taken: self.ids().map(str::to_owned).collect(), fresh };
        let mut before: HashMap<&str, &[Deployment]> = HashMap::new();
        for model in previous.iter().flat_map(|document| &document.models) {
            before.entry(&model.name).or_insert(&model.deployments);
        }
        for model in &mut self.models {
            inherit(model, before.get(model.name.as_str()).copied().unwrap_or_default(), &mut ids.taken);
        }
        // An id that some deployment once had never names another one: the books still hold it.
        ids.taken.extend(previous.iter().flat_map(|document| document.ids()).map(str::to_owned));
        let nameless = self.models.iter_mut().flat_map(|model| &mut model.deployments).filter(|d| d.id.is_none());
        nameless.for_each(|deployment| deployment.id = Some(ids.next()));
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.models.iter().flat_map(|model| &model.deployments).filter_map(|deployment| deployment.id.as_deref())
    }
}

/// Hands the ids of `before` to the deployments of the same model that are still the same.
fn inherit(model: &mut Model, before: &[Deployment], taken: &mut HashSet<String>) {
    for deployment in model.deployments.iter_mut().filter(|d| d.id.is_none()) {
        let same = before.iter().filter(|old| has_same_target(old, deployment)).filter_map(|old| old.id.as_ref());
        deployment.id = first_free(same, taken);
    }
    for (deployment, old) in model.deployments.iter_mut().zip(before).filter(|(d, _)| d.id.is_none()) {
        if has_same_kind(old, deployment) {
            deployment.id = first_free(old.id.iter(), taken);
        }
    }
}

fn first_free<'a>(mut candidates: impl Iterator<Item = &'a String>, taken: &mut HashSet<String>) -> Option<String> {
    let id = candidates.find(|id| !taken.contains(*id))?;
    taken.insert(id.clone());
    Some(id.clone())
}

fn has_same_kind(a: &Deployment, b: &Deployment) -> bool {
    a.endpoint.is_some() == b.endpoint.is_some() && a.engine.is_some() == b.engine.is_some()
}

fn has_same_target(a: &Deployment, b: &Deployment) -> bool {
    let endpoint = |d: &Deployment| d.endpoint.as_ref().map(|e| (e.url.clone(), e.model.clone()));
    let engine = |d: &Deployment| d.engine.as_ref().map(|e| (e.source.clone(), e.runtime, e.command.clone()));
    has_same_kind(a, b) && endpoint(a) == endpoint(b) && engine(a) == engine(b)
}

// === impl Ids ===

impl Ids<'_> {
    fn next(&mut self) -> String {
        let fresh = (self.fresh)();
        let mut id = fresh.clone();
        let mut number = 2_u64;
        while !self.taken.insert(id.clone()) {
            id = format!("{fresh}-{number}");
            number += 1;
        }
        id
    }
}
