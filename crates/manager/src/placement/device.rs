use std::fmt;

use hardware::{Gpu, Memory, Slice};

/// What an engine can be put on: a GPU, or a slice of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Of the GPU or the slice: what CUDA and Docker are given.
    pub(crate) uuid: String,
    /// Index of the GPU.
    pub(crate) index: u32,
    /// Product of the GPU.
    pub(crate) name: String,
    /// Size of the slice, as `1g.10gb`; none for a whole GPU.
    pub(crate) profile: Option<String>,
    /// None where nobody could tell.
    pub(crate) memory: Option<Memory>,
    /// Programs that compute on the GPU, by pid, with their bytes.
    pub(crate) processes: Vec<(u32, Option<u64>)>,
}

// === impl Device ===

impl Device {
    /// With nothing but a UUID.
    #[cfg(test)]
    pub(crate) fn named(uuid: &str) -> Self {
        let uuid = uuid.to_owned();
        Self { uuid, index: 0, name: String::new(), profile: None, memory: None, processes: Vec::new() }
    }

    pub(super) fn whole(gpu: &Gpu) -> Self {
        Self {
            uuid: gpu.uuid.clone(),
            index: gpu.index,
            name: gpu.name.clone(),
            profile: None,
            memory: gpu.memory,
            processes: gpu.processes.iter().map(|process| (process.pid, process.memory)).collect(),
        }
    }

    pub(super) fn slice(gpu: &Gpu, slice: &Slice) -> Self {
        Self {
            uuid: slice.uuid.clone(),
            profile: Some(slice.profile.clone()),
            memory: slice.memory,
            // Those of all slices are told together.
            processes: Vec::new(),
            ..Self::whole(gpu)
        }
    }

    /// Whether GPU and machine share their memory.
    pub(crate) fn is_unified(&self) -> bool {
        self.memory.is_some_and(|memory| memory.unified)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.profile {
            Some(profile) => write!(f, "slice {profile} of GPU {}", self.index),
            None => write!(f, "GPU {}", self.index),
        }
    }
}
