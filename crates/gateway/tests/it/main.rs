//! The gateway as its clients and engines see it: a real listener in front of simulated engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod blame;
mod budgets;
mod cache;
mod clients;
mod disconnect;
mod faults;
mod forms;
mod hostile;
mod limits;
mod lying;
mod matrix;
mod observability;
mod pass_through;
mod raw;
mod reach;
mod refusals;
mod responses;
mod routes;
mod scopes;
mod speech;
mod support;
mod surfaces;
mod swap;
