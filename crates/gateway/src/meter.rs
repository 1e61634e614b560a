//! What a request used: into the books, the budgets and the metrics, on every way out.

mod account;
mod content;
mod relay;
mod report;
mod rewrite;

pub(crate) use account::{ACCESS_LOG, Account};
pub(crate) use relay::{Relay, Source};
pub(crate) use report::Report;
