use std::fmt;

use serde::Deserialize;

use crate::output;

/// Where a replica is put, and how much it takes there.
#[derive(Debug, Deserialize)]
pub(super) struct Placement {
    gpus: Vec<Gpu>,
    gpu_memory_utilization: f64,
    origin: String,
}

#[derive(Debug, Deserialize)]
struct Gpu {
    index: u32,
    name: String,
    uuid: String,
}

// === impl Placement ===

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gpus = self.gpus.iter().map(|gpu| format!("GPU {} ({}, {})", gpu.index, gpu.name, gpu.uuid));
        let gpus = gpus.collect::<Vec<_>>().join(", ");
        let whose = match self.origin.as_str() {
            "document" => "",
            "unified-memory" => ", the default where GPU and machine share memory",
            "vllm" => ", vLLM's default",
            _ => ", assumed: another program",
        };
        let said = format!("on {gpus}, gpu_memory_utilization {}{whose}", self.gpu_memory_utilization);
        f.write_str(&output::plain(&said))
    }
}
