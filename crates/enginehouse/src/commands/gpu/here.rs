use ambient::Clock;
use anyhow::Context as _;
use hardware::{Inventory, Probe, Sampler};
use serde_json::{Value, json};

/// The GPUs of this machine, as this very process finds them.
pub(crate) async fn inventory() -> anyhow::Result<Inventory> {
    let probe = Probe::new(|name| std::env::var(name).ok(), Clock::system());
    let found = Sampler::new(probe).fresh().await;
    let found =
        found.context("NVIDIA's driver does not answer; look at `dmesg`, and restart the machine if it says Xid")?;
    Ok(found.as_ref().clone())
}

/// As the admin API would show it, without the engines, of which only a service knows.
pub(super) fn shown(inventory: &Inventory) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(inventory)?;
    value["read_at"] = inventory.read_at.to_string().into();
    for gpu in value["gpus"].as_array_mut().into_iter().flatten() {
        let mig = gpu["mig"].take();
        gpu["mig"] = mig["enabled"].clone();
        gpu["slices"] = mig["slices"].as_array().cloned().unwrap_or_default().into();
        gpu["replicas"] = json!([]);
        for slice in gpu["slices"].as_array_mut().into_iter().flatten() {
            slice["replicas"] = json!([]);
        }
    }
    Ok(value)
}
