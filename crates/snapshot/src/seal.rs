//! What is at rest, sealed: the last snapshot, which a gateway starts from when its manager is away, and single secrets.

mod file;
mod keyring;
mod secret_key;
mod text;

pub use file::{Kept, SealError, SealedFile};
pub use keyring::Keyring;
pub use secret_key::{SecretKey, SecretKeyError};
pub use text::UnsealError;
