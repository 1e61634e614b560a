//! `bench-load`: an engine that streams at an exact pace, and a crowd of clients that knows when each chunk was sent.
//!
//! Engine and clients are on one machine, so they share its monotonic clock: each chunk carries the time at which it was
//! sent, and a client knows how long it was on its way. Both speak just the HTTP that the benchmark needs, because what
//! they cost is taken from the proxy's neighbours.

use std::process::ExitCode;

use clap::Parser as _;

mod clock;
mod engine;
mod events;
mod report;
mod streams;

/// An engine and a crowd of clients for benchmarks of streams.
#[derive(clap::Parser)]
enum Command {
    /// Answers every request with a stream of chunks.
    Engine(engine::Args),
    /// Opens streams at once and prints, as JSON, how their chunks arrived.
    Streams(streams::Args),
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stderr, reason = "a program's last words go to stderr")]
async fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Engine(args) => engine::run(args).await,
        Command::Streams(args) => streams::run(args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}
