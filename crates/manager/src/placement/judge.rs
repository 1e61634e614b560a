use std::collections::BTreeSet;

use hardware::Inventory;
use spec::{Document, Engine};

use super::book::{Claim, overbooked};
use super::{of_replica, resolve, share};
use crate::reconciler::Desired;

/// Something that is wrong with how a document uses the GPUs of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Where, as `models[1].deployments[0].engine.gpus[2]`.
    pub(super) path: String,
    pub(super) message: String,
    pub(super) kind: Kind,
    /// Ids of the deployments that have a part in it.
    pub(super) deployments: BTreeSet<String>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A GPU is named that is not there, or cannot be shared out.
    Unknown,
    /// There is no GPU at all.
    NoGpu,
    /// More of one is taken than there is.
    Overbooked,
}

/// Everything that is wrong, in the order of the document. `wanted` are its replicas that are meant to run.
pub(super) fn judge(document: &Document, wanted: &[Desired], inventory: &Inventory) -> Vec<Finding> {
    let mut findings: Vec<_> = engines(document).flat_map(|(path, id, e)| of_engine(&path, id, e, inventory)).collect();
    let claims: Vec<_> = wanted.iter().filter_map(|desired| claim(document, desired, inventory)).collect();
    for over in overbooked(&claims) {
        // The last one is what is too much.
        let last = over.claims.last().map(|claim| deployment(&claim.replica)).unwrap_or_default();
        let path = engines(document).find(|(_, id, _)| *id == last).map(|(path, ..)| path).unwrap_or_default();
        findings.push(Finding {
            path: format!("{path}.gpus"),
            message: format!(
                "{} would be booked beyond its memory ({}); give engines that share a GPU a gpu_memory_utilization each, up to 1 together, or take other GPUs, or stop a model",
                over.device,
                over.sum()
            ),
            kind: Kind::Overbooked,
            deployments: over.claims.iter().map(|claim| deployment(&claim.replica).to_owned()).collect(),
        });
    }
    findings
}

/// What a replica takes; none where it names what is not there.
pub(super) fn claim(document: &Document, desired: &Desired, inventory: &Inventory) -> Option<Claim> {
    let mut devices = of_replica(&desired.engine, desired.number, inventory).ok()?;
    // One that is named twice is a fault of its own.
    let mut seen = BTreeSet::new();
    devices.retain(|device| seen.insert(device.uuid.clone()));
    let share = share(&desired.engine, &desired.words(), &devices, &document.defaults.unified_memory).value;
    Some(Claim { replica: desired.id.clone(), model: desired.model.to_string(), devices, share })
}

fn of_engine(path: &str, id: &str, engine: &Engine, inventory: &Inventory) -> Vec<Finding> {
    if engine.gpus.is_empty() {
        return Vec::new();
    }
    let finding = |path, message, kind| Finding { path, message, kind, deployments: BTreeSet::from([id.to_owned()]) };
    if !inventory.has_gpus() {
        let message = format!("gpus names GPUs, but {}; its engine fails until there are", resolve::nothing(inventory));
        return vec![finding(format!("{path}.gpus"), message, Kind::NoGpu)];
    }
    let unfit = resolve::check(engine, inventory).into_iter();
    let at = |position: Option<usize>| position.map(|position| format!("[{position}]")).unwrap_or_default();
    unfit.map(|one| finding(format!("{path}.gpus{}", at(one.position)), one.message, Kind::Unknown)).collect()
}

/// Every engine of a document, with its path and the id of its deployment.
fn engines(document: &Document) -> impl Iterator<Item = (String, &str, &Engine)> {
    document.models.iter().enumerate().flat_map(|(index, model)| {
        model.deployments.iter().enumerate().filter_map(move |(position, deployment)| {
            let path = format!("models[{index}].deployments[{position}].engine");
            Some((path, deployment.id.as_deref().unwrap_or_default(), deployment.engine.as_ref()?))
        })
    })
}

/// The deployment of a replica, by its id.
fn deployment(replica: &str) -> &str {
    replica.rsplit_once('/').map_or(replica, |(deployment, _)| deployment)
}
