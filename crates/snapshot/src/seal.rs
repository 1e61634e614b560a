//! The last snapshot on disk, sealed: what a gateway starts from when its manager is away.

mod file;
mod secret_key;

pub use file::{Kept, SealError, SealedFile};
pub use secret_key::{SecretKey, SecretKeyError};
