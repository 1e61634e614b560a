//! How much memory a model needs on each GPU, and whether it fits: pure arithmetic, no I/O.
//!
//! An [`Architecture`] is read from a model's `config.json`, [`Weights`] from the headers of its safetensors files or from a
//! number of parameters and a quantization. A [`Load`] says how it is to be served; [`estimate`] tells what that takes. Every
//! constant stands beside where it comes from.

mod architecture;
mod attention;
mod estimate;
mod experts;
mod load;
mod split;
mod weights;

pub use architecture::{Architecture, ConfigError};
pub use attention::Attention;
pub use estimate::{Estimate, estimate};
pub use experts::Experts;
pub use load::{CacheType, Load};
pub use split::{UnfitSplit, check_split, fitting_splits};
pub use weights::{HeaderError, Quantization, Weights, header_length};
