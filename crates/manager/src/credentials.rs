//! Credentials: sealed when they are taken in, opened only where the compiler of snapshots presents them.

mod change;
mod list;
mod resolve;
mod take_in;
#[cfg(test)]
mod tests;

pub(crate) use change::{CredentialError, NewCredential, Resealed};
pub(crate) use list::{CredentialRow, Held};
pub(crate) use resolve::{Unresolved, resolve};
pub(crate) use take_in::TakeInError;
