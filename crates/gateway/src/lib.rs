//! The data plane.
//!
//! Snapshot in, ledger events out, and no other tie: the gateway knows no database, no engine runtime and
//! no manager. Its modules stand in the order in which a request meets them:
//!
//! `edge` → `authenticate` → `admit` → `cache` → `route` → `upstream` → `meter`
//!
//! [`pipeline`] is that sentence as code;
//! [`rescue`] turns every cause of failure into a response, in one place.

mod admit;
mod authenticate;
mod backlog;
mod cache;
mod demand;
mod edge;
mod gateway;
mod keep;
mod load;
mod meter;
mod metrics;
mod number;
mod operational;
mod pipeline;
mod rescue;
mod responses;
mod route;
mod serving;
mod surface;
mod timer;
mod upstream;

pub use gateway::{Gateway, GatewayConfig};
