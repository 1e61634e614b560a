//! The file format of backups: parts with names and checksums in a tar, compressed with zstd, optionally encrypted.
//!
//! ```text
//! [ seal: magic, salt, then chunks of AES-256-GCM ]      only with a passphrase
//!   zstd
//!     tar: FORMAT, the parts, MANIFEST.json
//! ```
//!
//! The manifest comes last and names every part with its size and SHA-256: what was cut short has none. A [`read`] that
//! returns has seen the file to its end, exactly as it was written. Names of parts are a closed set ([`Name`]), so an
//! archive cannot say where anything is written to.
//!
//! This crate knows neither databases nor homes; `manager::backup` does.

mod error;
mod hashed;
mod manifest;
mod name;
mod reader;
mod seal;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{Error, Result};
pub use manifest::{Entry, Manifest};
pub use name::{Name, UnfitName};
pub use reader::{Part, is_sealed, read};
pub use seal::{Passphrase, UnfitPassphrase};
pub use writer::Writer;

/// Version of the format; a file of a newer one is refused.
pub const FORMAT: u32 = 1;

/// Bytes that one part may have.
pub const MAX_PART_BYTES: u64 = 1 << 30;
/// Bytes that the manifest may have.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;
/// Parts that a file may have.
const MAX_PARTS: usize = 200_000;

/// The first entry, with the number of the format.
const FORMAT_NAME: &str = "FORMAT";
/// The last entry.
const MANIFEST_NAME: &str = "MANIFEST.json";
