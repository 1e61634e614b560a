use std::collections::{HashMap, HashSet};

use crate::{Deployment, Document, Runtime};

/// The ids that no further deployment may get.
type Taken = HashSet<String>;

/// What a deployment sends requests to: as long as that stays, it is the same deployment.
#[derive(PartialEq, Eq, Hash)]
enum Target<'a> {
    Endpoint { url: &'a str, model: Option<&'a str> },
    Engine { source: &'a str, runtime: Runtime, command: &'a [String] },
}

// === impl Document ===

impl Document {
    /// Gives an id to every deployment that has none, and never one that another deployment has.
    ///
    /// A deployment gets the id that it had in `previous` under the same model name: first where it has the same
    /// target (an endpoint's `url` and `model`; an engine's `source`, `runtime` and `command`), then where one of the
    /// same kind stood at the same position. What is left gets one from `fresh`, with a number behind it if that is
    /// taken.
    pub fn assign_ids(&mut self, previous: Option<&Self>, fresh: &mut dyn FnMut() -> String) {
        let mut taken: Taken = self.ids().map(str::to_owned).collect();
        let mut before: HashMap<&str, &[Deployment]> = HashMap::new();
        for model in previous.iter().flat_map(|document| &document.models) {
            before.entry(&model.name).or_insert(&model.deployments);
        }
        for model in &mut self.models {
            if let Some(before) = before.get(model.name.as_str()) {
                inherit_by_target(&mut model.deployments, before, &mut taken);
                inherit_by_position(&mut model.deployments, before, &mut taken);
            }
        }
        // An id that a deployment once had never names another one: the books still hold it.
        taken.extend(previous.iter().flat_map(|document| document.ids()).map(str::to_owned));
        for deployment in self.models.iter_mut().flat_map(|model| &mut model.deployments) {
            deployment.id.get_or_insert_with(|| unused(fresh(), &mut taken));
        }
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.models.iter().flat_map(|model| &model.deployments).filter_map(|deployment| deployment.id.as_deref())
    }
}

fn inherit_by_target(deployments: &mut [Deployment], before: &[Deployment], taken: &mut Taken) {
    let mut by_target: HashMap<Target<'_>, Vec<&str>> = HashMap::new();
    // In reverse, so that the last one of each list is the one that stood first.
    for old in before.iter().rev() {
        if let (Some(target), Some(id)) = (target(old), &old.id) {
            by_target.entry(target).or_default().push(id);
        }
    }
    let inherited = deployments.iter().map(|deployment| {
        let candidates = by_target.get_mut(&target(deployment)?)?;
        if deployment.id.is_none() { take_free(|| candidates.pop(), taken) } else { None }
    });
    let inherited: Vec<_> = inherited.collect();
    for (deployment, id) in deployments.iter_mut().zip(inherited) {
        deployment.id = deployment.id.take().or(id);
    }
}

fn inherit_by_position(deployments: &mut [Deployment], before: &[Deployment], taken: &mut Taken) {
    let unnamed = deployments.iter_mut().zip(before).filter(|(deployment, _)| deployment.id.is_none());
    for (deployment, old) in unnamed {
        let same_kind = old.engine.is_some() == deployment.engine.is_some();
        let mut candidate = old.id.as_deref().filter(|_| same_kind);
        deployment.id = take_free(|| candidate.take(), taken);
    }
}

/// The first candidate that is not taken, which it then is.
fn take_free<'a>(mut next: impl FnMut() -> Option<&'a str>, taken: &mut Taken) -> Option<String> {
    loop {
        let id = next()?;
        if taken.insert(id.to_owned()) {
            return Some(id.to_owned());
        }
    }
}

/// The id itself, or with the lowest number behind it that makes it unused.
fn unused(fresh: String, taken: &mut Taken) -> String {
    let numbered = (2_u64..).map(|number| format!("{fresh}-{number}"));
    let id = std::iter::once(fresh.clone()).chain(numbered).find(|id| !taken.contains(id)).unwrap_or(fresh);
    taken.insert(id.clone());
    id
}

/// None for a deployment that has neither or both, which [`validate`](crate::validate) refuses.
fn target(deployment: &Deployment) -> Option<Target<'_>> {
    match (&deployment.endpoint, &deployment.engine) {
        (Some(endpoint), None) => Some(Target::Endpoint { url: &endpoint.url, model: endpoint.model.as_deref() }),
        (None, Some(engine)) => {
            Some(Target::Engine { source: &engine.source, runtime: engine.runtime, command: &engine.command })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
