use super::{RestoreStep, StepState, asks_for_gpus};
use crate::Manager;
use crate::reconciler::Desired;

/// Written by NVIDIA's kernel driver.
const DRIVER: &str = "/proc/driver/nvidia/version";

// === impl Manager ===

impl Manager {
    #[expect(clippy::unused_self, reason = "as the other steps")]
    pub(super) fn gpu_step(&self, wanted: &[Desired]) -> RestoreStep {
        match (std::fs::metadata(DRIVER).is_ok(), asks_for_gpus(wanted)) {
            (true, _) => RestoreStep::new("gpus", StepState::Done, None),
            (false, false) => RestoreStep::new("gpus", StepState::Skipped, "no model asks for one".to_owned()),
            (false, true) => RestoreStep::new("gpus", StepState::Running, format!("no driver is loaded ({DRIVER})")),
        }
    }
}
