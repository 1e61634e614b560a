# Every step of CI can be run alone: `just lint`, `just test cli`. `just` lists them.

default:
    @just --list --unsorted

# Everything that CI runs
ci:
    .ci/run

# What the machine must have; installs what is missing where it can
prepare:
    .ci/prepare

# File sizes and the arrows between crates
structure:
    .ci/structure

# Formatting (check); `just format` applies it
fmt:
    .ci/fmt

format:
    cargo fmt --all

# Clippy as errors
lint:
    .ci/lint

# Documentation of the code
doc:
    .ci/doc

# Licences, bans, sources of dependencies
deny:
    .ci/deny

# All Rust tests; `just test NAME` runs those whose name matches
test *FILTER:
    .ci/test {{ FILTER }}

# Real SDKs against a real vLLM on CPU
sdk:
    .ci/sdk

# Both planes with simulated engines
demo:
    cargo run --release -p enginehouse -- demo
