//! A simulated vLLM: the same routes, shapes, errors, metrics and ends as the real server, without a model.
//!
//! The demo, the tests and the benchmarks use it. Its answers depend on nothing but the request, so the same prompt
//! always gives the same words; its speed is set ([`Args::ttft_ms`], [`Args::inter_token_ms`]); it fails on command
//! ([`Fault`]); and it keeps books of what it was asked and what it sent, to be compared with the books of whatever
//! stands before it (`GET /sim/requests`, `GET /sim/state`).
//!
//! [`serve()`] takes a bound listener; [`run`] binds one from [`Args`] and stops on SIGTERM or Ctrl-C.

mod answer;
mod api;
mod app;
mod args;
mod books;
mod call;
mod connection;
mod deliver;
mod engine_type;
mod error;
mod fault;
mod metrics;
mod payload;
mod serve;
mod settings;
mod text;
mod vllm;

pub use args::Args;
pub use connection::Listener;
pub use engine_type::EngineType;
pub use fault::{Fault, UnknownFault, UsageFault};
pub use serve::{ServeError, run, serve};
