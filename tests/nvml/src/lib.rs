//! A stand-in for NVIDIA's library NVML. Whoever loads it as the real one gets a machine to see that a file describes: a
//! [`Scene`] as JSON, beside the library and named as it, with `.json` behind. The file is read with every `nvmlInit`, so a
//! test can change it between two readings.

mod exports;
mod install;
mod scene;
mod scenes;

pub use install::{Installed, install};
pub use scene::{Device, Scene, Slice};
