//! The two files of a home.

mod dump;
mod load;
mod value;

pub(super) use dump::Dump;
pub(super) use load::Load;
