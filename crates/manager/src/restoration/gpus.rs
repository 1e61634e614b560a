use std::collections::BTreeMap;

use hardware::Inventory;

use super::{RestoreStep, StepState};
use crate::Manager;
use crate::placement::{nothing, of_replica};
use crate::reconciler::Desired;

const STEP: &str = "gpus";

// === impl Manager ===

impl Manager {
    pub(super) fn gpu_step(&self, wanted: &[Desired]) -> RestoreStep {
        judge(self.inner().gpus.current().as_deref(), wanted)
    }
}

/// Done once all GPUs that engines ask for answer.
fn judge(inventory: Option<&Inventory>, wanted: &[Desired]) -> RestoreStep {
    let asking: Vec<_> = wanted.iter().filter(|desired| !desired.engine.gpus.is_empty()).collect();
    let Some(inventory) = inventory else {
        return RestoreStep::new(STEP, StepState::Running, "they are being read".to_owned());
    };
    if asking.is_empty() && inventory.gpus.is_empty() {
        return RestoreStep::new(STEP, StepState::Skipped, "no model asks for one".to_owned());
    }
    if !inventory.has_gpus() {
        return RestoreStep::new(STEP, StepState::Failed, nothing(inventory));
    }
    let missing = asking.iter().find_map(|desired| {
        let reason = of_replica(&desired.engine, desired.number, inventory).err()?;
        Some(format!("model {}: {reason}", desired.model))
    });
    match missing {
        Some(reason) => RestoreStep::new(STEP, StepState::Failed, reason),
        None => RestoreStep::new(STEP, StepState::Done, told(inventory)),
    }
}

/// As `2 NVIDIA H100 80GB HBM3, driver 570.86.15`.
fn told(inventory: &Inventory) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for gpu in &inventory.gpus {
        *counts.entry(&gpu.name).or_default() += 1;
    }
    let mut parts: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if !inventory.lost.is_empty() {
        parts.push(format!("{} that no model asks for do not answer", inventory.lost.len()));
    }
    parts.extend(inventory.driver.as_ref().map(|driver| format!("driver {driver}")));
    parts.join(", ")
}
