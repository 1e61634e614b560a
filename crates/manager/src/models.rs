//! One model at a time: added, removed, asked. Each of these is a change set of its own.

mod add;
mod kind;
mod nearest;
mod remove;
mod trial;

pub(crate) use add::{AddError, Added, NewModel};
use nearest::nearest;
pub(crate) use remove::RemoveError;
pub(crate) use trial::{Trial, TrialError};
