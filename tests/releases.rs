//! The desired state as a release: staged by many, planned, applied in one step whatever dies, looked back on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

#[path = "releases/commands.rs"]
mod commands;
#[path = "releases/editors.rs"]
mod editors;
#[path = "releases/kills.rs"]
mod kills;
#[path = "releases/streams.rs"]
mod streams;
