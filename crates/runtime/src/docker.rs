//! Engines as Docker containers, one for each replica.
//!
//! A container is found again by its id, and by labels that say whose it is ([`label`]): those of another instance of
//! Enginehouse, and those of other people, are never touched. Docker itself restarts nothing (`no`), because GPUs have to
//! be prepared first after a boot; whether a container should run is up to whoever calls this.
//!
//! The daemon may be away at any time. Every call says so ([`DockerError::Away`]), connects anew with the next one, and is
//! bounded in time; what runs goes on serving meanwhile.

mod build;
mod client;
mod connect;
mod create;
mod error;
mod gpu;
mod image;
pub mod label;
mod list;
mod logs;
mod network;
mod ports;
mod pull;
mod stats;
mod stop;

pub use build::Building;
pub use client::Docker;
pub use create::{ContainerLaunch, Volume};
pub use error::DockerError;
pub use gpu::Gpus;
pub use image::{Holder, Image};
pub use list::{Container, Ended, State};
pub use logs::LogPosition;
pub use pull::{Pulled, with_tag};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A container that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle {
    /// Its id.
    pub container: String,
    /// Its name.
    pub name: String,
    /// Where a copy of what it prints is kept, also when it is gone.
    pub log_file: PathBuf,
    /// Bytes that earlier runs had left in that.
    pub log_start: u64,
}
