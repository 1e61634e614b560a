//! Enginehouse: one binary that turns GPU servers into a metered, OpenAI-compatible model service.
//!
//! This crate is the command line and the wiring of the two planes; what they do lives in `gateway` and `manager`.

use std::process::ExitCode;

use clap::Parser as _;

mod cli;
mod client;
mod commands;
mod database;
mod exit;
mod fault_points;
mod home;
mod lifecycle;
mod logging;
mod output;
mod planes;
mod secret_env;
mod span;

// Long streams of small buffers keep their memory flat on jemalloc; glibc's allocator fragments.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}
