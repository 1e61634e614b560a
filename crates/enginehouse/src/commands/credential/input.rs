use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use snapshot::Secret;

use crate::output;

/// Bytes of a secret that are read.
const MAX_BYTES: u64 = 64 << 10;

/// The secret, or what stands for it: a variable of the service, the content of a file, or what is typed or piped in.
pub(super) fn secret(variable: Option<&str>, file: Option<&Path>) -> anyhow::Result<Secret> {
    let text = match (variable, file) {
        (Some(name), _) => format!("os.environ/{name}"),
        (None, Some(path)) => read(fs::File::open(path)).with_context(|| format!("cannot read {}", path.display()))?,
        (None, None) if io::stdin().is_terminal() => typed()?,
        (None, None) => read(Ok(io::stdin())).context("cannot read the secret from standard input")?,
    };
    let text = text.trim();
    anyhow::ensure!(!text.is_empty(), "the secret is empty; nothing was set");
    Ok(Secret::new(text))
}

fn read(source: io::Result<impl io::Read>) -> io::Result<String> {
    let mut text = String::new();
    source?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// A line from the terminal, which does not show it meanwhile.
fn typed() -> anyhow::Result<String> {
    output::note("Secret (not shown while you type):");
    let stdin = io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    tcsetattr(&stdin, OptionalActions::Flush, &before)?;
    read?;
    Ok(line)
}
