//! `engine-sim`: a simulated vLLM as a program of its own.

use std::process::ExitCode;

use clap::Parser as _;

/// A simulated vLLM, for the demo, tests and benchmarks.
#[derive(clap::Parser)]
#[command(name = "engine-sim", version)]
struct CommandLine {
    #[command(flatten)]
    args: engine_sim::Args,
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "a program's last words go to stderr")]
async fn main() -> ExitCode {
    match engine_sim::run(CommandLine::parse().args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("engine-sim: {error}");
            ExitCode::FAILURE
        }
    }
}
