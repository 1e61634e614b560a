#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use hardware::{Gpu, GpuProcess, Inventory, LostGpu, Memory, Slice};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::Params;
use crate::Manager;
use crate::status::ReplicaState;

/// The GPUs of the machine.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GpuList {
    /// Who told: `nvml`, `nvidia-smi`, or `none` where there is no GPU, or none that can be used.
    source: &'static str,
    /// When they were read.
    read_at: String,
    /// Version of NVIDIA's driver.
    driver: Option<String>,
    /// Newest version of CUDA that the driver can do.
    cuda: Option<String>,
    /// GPUs that answer, by index.
    gpus: Vec<GpuView>,
    /// GPUs that should be there and do not answer.
    lost: Vec<LostView>,
    /// What kept others from telling, or from telling all.
    notes: Vec<String>,
}

/// A GPU.
#[derive(Debug, Serialize, ToSchema)]
struct GpuView {
    /// As NVIDIA counts; may change with a restart of the machine.
    index: u32,
    /// Stays for ever.
    uuid: String,
    /// Product.
    name: String,
    /// Its memory; none where nobody could tell.
    memory: Option<MemoryView>,
    /// Where it is, as `00000000:1B:00.0`.
    pci: Option<String>,
    /// Node of the machine's memory that is next to it.
    numa_node: Option<u32>,
    /// Indices of the GPUs that it reaches by NVLink, directly or through NVSwitch.
    nvlink_peers: Vec<u32>,
    /// Whether its links lead to an NVSwitch.
    nvswitch: bool,
    /// Whether it is cut into slices (MIG); none where it cannot be.
    mig: Option<bool>,
    /// Its slices.
    slices: Vec<SliceView>,
    /// Programs that compute on it.
    processes: Vec<ProcessView>,
    /// Engines that are put on it as a whole.
    replicas: Vec<TenantView>,
}

/// A slice of a GPU.
#[derive(Debug, Serialize, ToSchema)]
struct SliceView {
    /// Stays as long as the slice.
    uuid: String,
    /// Its size, as `1g.10gb`.
    profile: String,
    /// Its memory; none where nobody could tell.
    memory: Option<MemoryView>,
    /// Engines that are put on it.
    replicas: Vec<TenantView>,
}

/// Memory of a GPU or a slice.
#[derive(Debug, Serialize, ToSchema)]
struct MemoryView {
    /// All, in bytes.
    total_bytes: u64,
    /// What is taken.
    used_bytes: u64,
    /// What a program could get; of unified memory that includes the page cache.
    free_bytes: u64,
    /// Whether GPU and machine share it.
    unified: bool,
}

/// A program that computes on a GPU.
#[derive(Debug, Serialize, ToSchema)]
struct ProcessView {
    /// Its process id.
    pid: u32,
    /// Bytes of the GPU's memory that it has; none where the driver does not tell.
    used_bytes: Option<u64>,
}

/// A GPU that does not answer.
#[derive(Debug, Serialize, ToSchema)]
struct LostView {
    /// As NVIDIA counts.
    index: u32,
    /// What it was when it answered; none if it never did.
    uuid: Option<String>,
    /// Its product; likewise.
    name: Option<String>,
    /// Why it does not.
    reason: String,
}

/// An engine on a GPU.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct TenantView {
    /// Public name of the model.
    model: String,
    /// `<deployment id>/<number>`.
    replica: String,
    /// How far it is.
    state: ReplicaState,
    /// Share of the memory that it takes.
    gpu_memory_utilization: f64,
}

/// Engines by the UUID of what they are put on.
type Tenants = BTreeMap<String, Vec<TenantView>>;

/// How to look.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GpuParams {
    /// Whether they are read now; else what was read last is shown, at most a minute old.
    #[serde(default)]
    fresh: bool,
}

/// The GPUs of the machine, and which engines are on them
#[utoipa::path(get, path = "/gpus", params(GpuParams), responses(
    (status = 200, body = GpuList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn gpus(
    State(manager): State<Manager>,
    Params(params): Params<GpuParams>,
) -> Result<Json<GpuList>, Problem> {
    let known = if params.fresh { None } else { manager.gpus().await };
    let inventory = match known {
        Some(known) => Some(known),
        None => manager.gpus_anew().await,
    };
    let inventory = inventory.ok_or_else(|| Problem::conflict("the GPUs of this machine are not known yet"))?;
    Ok(Json(GpuList::of(&inventory, &tenants(&manager))))
}

/// Which engines are where, stopped ones left out.
fn tenants(manager: &Manager) -> Tenants {
    let mut tenants = Tenants::new();
    for model in manager.models() {
        let all = model
            .deployments
            .into_iter()
            .flat_map(|deployment| deployment.replicas.into_iter().chain(deployment.before));
        for replica in all {
            let Some(placed) = replica.placement.filter(|_| replica.state != ReplicaState::Stopped) else { continue };
            for gpu in placed.gpus {
                tenants.entry(gpu.uuid).or_default().push(TenantView {
                    model: model.name.clone(),
                    replica: replica.id.clone(),
                    state: replica.state,
                    gpu_memory_utilization: placed.gpu_memory_utilization,
                });
            }
        }
    }
    tenants
}

// === impl GpuList ===

impl GpuList {
    fn of(inventory: &Inventory, tenants: &Tenants) -> Self {
        Self {
            source: inventory.source.as_str(),
            read_at: inventory.read_at.to_string(),
            driver: inventory.driver.clone(),
            cuda: inventory.cuda.clone(),
            gpus: inventory.gpus.iter().map(|gpu| GpuView::of(gpu, tenants)).collect(),
            lost: inventory.lost.iter().map(LostView::from).collect(),
            notes: inventory.notes.clone(),
        }
    }
}

// === impl GpuView ===

impl GpuView {
    fn of(gpu: &Gpu, tenants: &Tenants) -> Self {
        Self {
            index: gpu.index,
            uuid: gpu.uuid.clone(),
            name: gpu.name.clone(),
            memory: gpu.memory.map(MemoryView::from),
            pci: gpu.pci.clone(),
            numa_node: gpu.numa_node,
            nvlink_peers: gpu.nvlink_peers.clone(),
            nvswitch: gpu.nvswitch,
            mig: gpu.mig.as_ref().map(|mig| mig.enabled),
            slices: gpu.slices().iter().map(|slice| SliceView::of(slice, tenants)).collect(),
            processes: gpu.processes.iter().map(ProcessView::from).collect(),
            replicas: tenants.get(&gpu.uuid).cloned().unwrap_or_default(),
        }
    }
}

// === impl SliceView ===

impl SliceView {
    fn of(slice: &Slice, tenants: &Tenants) -> Self {
        Self {
            uuid: slice.uuid.clone(),
            profile: slice.profile.clone(),
            memory: slice.memory.map(MemoryView::from),
            replicas: tenants.get(&slice.uuid).cloned().unwrap_or_default(),
        }
    }
}

// === impl MemoryView ===

impl From<Memory> for MemoryView {
    fn from(memory: Memory) -> Self {
        let Memory { total, used, free, unified } = memory;
        Self { total_bytes: total, used_bytes: used, free_bytes: free, unified }
    }
}

// === impl ProcessView ===

impl From<&GpuProcess> for ProcessView {
    fn from(process: &GpuProcess) -> Self {
        Self { pid: process.pid, used_bytes: process.memory }
    }
}

// === impl LostView ===

impl From<&LostGpu> for LostView {
    fn from(lost: &LostGpu) -> Self {
        let LostGpu { index, uuid, name, reason } = lost.clone();
        Self { index, uuid, name, reason }
    }
}
