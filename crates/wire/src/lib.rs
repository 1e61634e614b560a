//! The dialects: only the shapes that the gateway touches.
//!
//! Bodies are never turned into trees. A [`Peek`] reads a request's few fields that matter and where they
//! stand; [`splice`] replaces them in place; everything else goes through as the bytes that came.

mod answer;
mod chunk;
mod error;
mod multipart;
mod peek;
mod raw;
mod refusal;
mod skim;
mod splice;
pub mod sse;
mod typed;
mod usage;

pub use answer::{Answer, AnswerError, count_elements};
pub use chunk::Chunk;
pub use error::ErrorBody;
pub use multipart::{Field, FormError, FormReader};
pub use peek::{Dialect, Peek, PeekError, Spanned, StreamOptions};
pub use refusal::Refusal;
pub use splice::{Edit, json_string, splice};
pub use typed::TypedEvent;
pub use usage::Usage;
