//! Log lines: to standard error, as text or JSON. Never bodies, prompts, keys or credentials.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::cli::{Globals, LogFormat};
use crate::exit::UsageError;

/// Starts logging; `default` is the filter where the user set none.
pub(crate) fn start(globals: &Globals, default: &str) -> anyhow::Result<()> {
    let wanted = globals.log.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(wanted).map_err(|e| UsageError(format!("--log {wanted}: {e}")))?;
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match globals.log_format {
        LogFormat::Json => base.json().flatten_event(true).try_init(),
        LogFormat::Text => base.with_ansi(io::stderr().is_terminal()).try_init(),
    };
    started.map_err(|e| anyhow::anyhow!("logging cannot start: {e}"))
}
