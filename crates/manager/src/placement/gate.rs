use std::collections::{BTreeMap, BTreeSet};

use hardware::Inventory;
use spec::{Document, DoubleBooking};

use super::book::{Claim, overbooked};
use super::{Device, Origin, judge, of_replica, resolve, share};
use crate::reconciler::Desired;

/// Processes that a message names.
const NAMED: usize = 4;

/// Says which replicas may start now, one after the other.
#[derive(Debug)]
pub(crate) struct Gate<'a> {
    document: &'a Document,
    inventory: &'a Inventory,
    /// What every replica that is meant to run takes, in the order of the document.
    claims: Vec<Claim>,
    /// Those of them that run, or are started.
    holders: BTreeSet<String>,
    /// The replica that is being started on a device.
    starting: BTreeMap<String, String>,
}

/// Whether a replica may start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Now.
    Start,
    /// Once its GPUs were looked at: what is known of their memory is older than the wish to start.
    Look(String),
    /// Once another one is up.
    Wait(String),
    /// Once there is memory.
    Short(String),
    /// Not at all, for this reason.
    Fail(String),
}

// === impl Gate ===

impl<'a> Gate<'a> {
    /// `starting` are the replicas that are on their way from a start to health, `holders` these and all others that run.
    pub(crate) fn new(
        document: &'a Document,
        wanted: &[Desired],
        inventory: &'a Inventory,
        holders: BTreeSet<String>,
        starting: &BTreeSet<String>,
    ) -> Self {
        // What serves on while it is replaced has GPUs of its own, and gives them back.
        let wanted = wanted.iter().filter(|desired| !desired.kept);
        let claims: Vec<_> = wanted.filter_map(|desired| judge::claim(document, desired, inventory)).collect();
        let on_their_way = claims.iter().filter(|claim| starting.contains(&claim.replica));
        let starting = on_their_way.flat_map(places).collect();
        Self { document, inventory, claims, holders, starting }
    }

    /// Whether a replica may start. `looked`: whether its GPUs were read since it was to start.
    pub(crate) fn judge(&mut self, desired: &Desired, looked: bool) -> Verdict {
        if !self.inventory.has_gpus() {
            return Verdict::Fail(format!("gpus names GPUs, but {}", resolve::nothing(self.inventory)));
        }
        let devices = match of_replica(&desired.engine, desired.number, self.inventory) {
            Ok(devices) => devices,
            Err(reason) => return Verdict::Fail(reason),
        };
        if let Some(reason) = self.overbooked(desired) {
            return Verdict::Fail(reason);
        }
        let other = |device: &Device| self.starting.get(&device.uuid).filter(|other| **other != desired.id);
        if let Some((device, other)) = devices.iter().find_map(|device| Some((device, other(device)?))) {
            return Verdict::Wait(format!("waits for {} on {device}", self.model_of(other)));
        }
        if let Some(verdict) = self.memory(desired, &devices, looked) {
            return verdict;
        }
        self.starting.extend(devices.iter().map(|device| (device.uuid.clone(), desired.id.clone())));
        self.holders.insert(desired.id.clone());
        Verdict::Start
    }

    /// Why it is too much beside those before it in the document, and those that run.
    fn overbooked(&self, desired: &Desired) -> Option<String> {
        if self.document.defaults.placement.double_booking == DoubleBooking::Warn {
            return None;
        }
        let place = self.claims.iter().position(|claim| claim.replica == desired.id)?;
        let beside = self
            .claims
            .iter()
            .enumerate()
            .filter(|(other, claim)| *other < place || (*other != place && self.holders.contains(&claim.replica)));
        let mut claims: Vec<_> = beside.map(|(_, claim)| claim.clone()).collect();
        claims.push(self.claims.get(place)?.clone());
        let over = overbooked(&claims).into_iter().find(|over| over.claims.iter().any(|c| c.replica == desired.id))?;
        Some(format!(
            "{} is booked beyond its memory ({}); give engines that share it a gpu_memory_utilization each, up to 1 together, or stop one",
            over.device,
            over.sum()
        ))
    }

    /// Why it cannot start yet, because of what is really free.
    fn memory(&self, desired: &Desired, devices: &[Device], looked: bool) -> Option<Verdict> {
        let unified = &self.document.defaults.unified_memory;
        let share = share(&desired.engine, &desired.words(), devices, unified);
        // What another program takes, nobody knows.
        if share.origin == Origin::Unknown {
            return None;
        }
        let with_memory = devices.iter().filter_map(|device| Some((device, device.memory?)));
        for (device, memory) in with_memory {
            if !looked {
                return Some(Verdict::Look(format!("waits for a look at the memory of {device}")));
            }
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of bytes, both positive"
            )]
            let needed = (memory.total as f64 * share.value) as u64;
            if memory.free < needed {
                let holds = occupants(device);
                let (needed, free) = (gib(needed), gib(memory.free));
                return Some(Verdict::Short(format!(
                    "waits for memory on {device}: {free} of {needed} GiB are free{holds}"
                )));
            }
        }
        None
    }

    fn model_of(&self, replica: &str) -> String {
        let claim = self.claims.iter().find(|claim| claim.replica == replica);
        claim.map_or_else(|| replica.to_owned(), |claim| claim.model.clone())
    }
}

fn places(claim: &Claim) -> Vec<(String, String)> {
    claim.devices.iter().map(|device| (device.uuid.clone(), claim.replica.clone())).collect()
}

/// Who has the memory.
fn occupants(device: &Device) -> String {
    let named = device.processes.iter().take(NAMED).map(|(pid, bytes)| match bytes {
        Some(bytes) => format!("pid {pid} has {} GiB", gib(*bytes)),
        None => format!("pid {pid} has some"),
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

/// GiB with one decimal.
pub(crate) fn gib(bytes: u64) -> String {
    let tenths = bytes / ((1 << 30) / 10);
    format!("{}.{}", tenths / 10, tenths % 10)
}
