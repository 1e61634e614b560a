use ambient::Timestamp;
use serde::Serialize;

/// What is known of the GPUs of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// Who told.
    pub source: Source,
    /// When they were read.
    pub read_at: Timestamp,
    /// Version of NVIDIA's driver.
    pub driver: Option<String>,
    /// Newest version of CUDA that the driver can do, as `12.8`.
    pub cuda: Option<String>,
    /// GPUs that answer, by index.
    pub gpus: Vec<Gpu>,
    /// GPUs that should be there and do not answer.
    pub lost: Vec<LostGpu>,
    /// What kept others from telling, or from telling all: for people.
    pub notes: Vec<String>,
}

/// Who told what GPUs there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// NVIDIA's library.
    Nvml,
    /// NVIDIA's program.
    NvidiaSmi,
    /// Nobody: there is no GPU, or none that can be used.
    None,
}

/// A GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// As NVIDIA counts; may change with a restart of the machine.
    pub index: u32,
    /// Stays for ever: `GPU-…`.
    pub uuid: String,
    /// Product, as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Its memory; none where nobody could tell.
    pub memory: Option<Memory>,
    /// Where it is, as `00000000:1B:00.0`.
    pub pci: Option<String>,
    /// Node of the machine's memory that is next to it.
    pub numa_node: Option<u32>,
    /// Indices of the GPUs that it reaches by NVLink: directly, or through NVSwitch.
    pub nvlink_peers: Vec<u32>,
    /// Whether its links lead to an NVSwitch, by which it reaches all others that do.
    pub nvswitch: bool,
    /// How it is cut into slices; none where it cannot be.
    pub mig: Option<Mig>,
    /// Programs that compute on it.
    pub processes: Vec<GpuProcess>,
}

/// Memory of a GPU or a slice, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// All.
    #[serde(rename = "total_bytes")]
    pub total: u64,
    /// What is taken, by the driver too.
    #[serde(rename = "used_bytes")]
    pub used: u64,
    /// What a program could get. Of unified memory that includes what the kernel would give up for it.
    #[serde(rename = "free_bytes")]
    pub free: u64,
    /// Whether it is the machine's own memory: GPU and programs share it.
    pub unified: bool,
}

/// How a GPU is cut into slices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mig {
    /// Whether the mode is switched on: then only slices can be used, not the GPU as a whole.
    pub enabled: bool,
    /// Its slices.
    pub slices: Vec<Slice>,
}

/// A slice of a GPU (a MIG device).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// Stays as long as the slice: `MIG-…`.
    pub uuid: String,
    /// Its size, as `1g.10gb`.
    pub profile: String,
    /// Its memory; none where nobody could tell.
    pub memory: Option<Memory>,
}

/// A program that computes on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GpuProcess {
    /// Its process id.
    pub pid: u32,
    /// Bytes of the GPU's memory that it has; none where the driver does not tell.
    #[serde(rename = "used_bytes")]
    pub memory: Option<u64>,
}

/// A GPU that should be there and does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostGpu {
    /// As NVIDIA counts.
    pub index: u32,
    /// What it was when it answered; none if it never did.
    pub uuid: Option<String>,
    /// Its product; likewise.
    pub name: Option<String>,
    /// Why it does not.
    pub reason: String,
}

// === impl Inventory ===

impl Inventory {
    /// Of a machine where nobody tells of GPUs.
    pub fn empty(read_at: Timestamp, notes: Vec<String>) -> Self {
        Self { source: Source::None, read_at, driver: None, cuda: None, gpus: Vec::new(), lost: Vec::new(), notes }
    }

    /// Whether there is any GPU, even one that does not answer.
    pub fn has_gpus(&self) -> bool {
        !self.gpus.is_empty() || !self.lost.is_empty()
    }

    /// Names those that were lost, as they were when they answered.
    pub(crate) fn remember(&mut self, before: &Self) {
        for lost in self.lost.iter_mut().filter(|lost| lost.uuid.is_none()) {
            let (uuid, name) = before.at(lost.index).unzip();
            (lost.uuid, lost.name) = (uuid.flatten(), name.flatten());
        }
    }

    fn at(&self, index: u32) -> Option<(Option<String>, Option<String>)> {
        let answered = self.gpus.iter().find(|gpu| gpu.index == index);
        let answered = answered.map(|gpu| (Some(gpu.uuid.clone()), Some(gpu.name.clone())));
        let lost = || self.lost.iter().find(|lost| lost.index == index);
        answered.or_else(|| lost().map(|lost| (lost.uuid.clone(), lost.name.clone())))
    }
}

// === impl Source ===

impl Source {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nvml => "nvml",
            Self::NvidiaSmi => "nvidia-smi",
            Self::None => "none",
        }
    }
}

// === impl Gpu ===

impl Gpu {
    /// Its slices, if it is cut into any.
    pub fn slices(&self) -> &[Slice] {
        self.mig.as_ref().map_or(&[], |mig| &mig.slices)
    }

    /// Whether only slices of it can be used.
    pub fn is_sliced(&self) -> bool {
        self.mig.as_ref().is_some_and(|mig| mig.enabled)
    }
}
