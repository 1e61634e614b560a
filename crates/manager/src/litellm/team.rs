//! `/team/*`: LiteLLM's shapes with the fields that there are here.

mod change;
mod fields;
mod read;
mod row;

pub(super) use change::{block, delete, new, unblock, update};
pub(super) use read::{info, list};
