//! From a list of files to blobs with the right checksums.

mod digest;
mod file;
mod meter;
mod sink;

pub(crate) use digest::Digest;
pub(crate) use file::Fetch;
pub(crate) use meter::Meter;
pub use meter::Progress;
