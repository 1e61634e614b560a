//! Desired state: the one document that the whole service is generated from.
//!
//! Pure data and pure functions: parse, default, validate, compare. No I/O, no clock.

mod document;
mod model_type;

pub use document::*;
pub use model_type::ModelType;
