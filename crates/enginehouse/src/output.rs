//! What commands print: data to standard output, everything said around it to standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd;

use serde_json::Value;

mod table;

pub(crate) use table::{Column, Table};

/// Standard output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct WriteError(pub(crate) io::Error);

/// Prints data, ending in exactly one line feed.
pub(crate) fn data(text: &str) -> Result<(), WriteError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.trim_end_matches('\n').as_bytes()).and_then(|()| stdout.write_all(b"\n"));
    written.and_then(|()| stdout.flush()).map_err(WriteError)
}

/// Prints data as indented JSON.
pub(crate) fn json(value: &Value) -> Result<(), WriteError> {
    data(&format!("{value:#}"))
}

/// Prints a table as wide as the terminal allows, or in full where standard output is no terminal.
pub(crate) fn table(table: &Table) -> Result<(), WriteError> {
    data(&table.render(width(io::stdout())))
}

/// Says something to the person: progress, hints, errors. Not data; a closed standard error is no failure.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes to standard error as it is, for redrawing.
pub(crate) fn raw_note(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Cells of a line on standard error; 80 where that is no terminal.
pub(crate) fn note_width() -> usize {
    width(io::stderr()).unwrap_or(80)
}

/// Whether a person watches standard error.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Control characters of server-sent text, made harmless for a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An amount: at least two decimals, and as many more as there are, up to the nano-unit.
pub(crate) fn money(units: f64) -> String {
    let exact = format!("{units:.9}");
    let kept = exact.trim_end_matches('0').len().max(exact.len() - 7);
    exact[..kept].to_owned()
}

/// A size, in the largest unit that leaves something before the point; rounded down.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    let mut tenths = u128::from(count) * 10 / 1_024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1_024, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

fn width(terminal: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 1_023, 1_024, 1_536, 5 << 20, u64::MAX].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "16777215.9 TiB"]);
    }

    #[test]
    fn amounts_have_cents_and_no_more_zeros_than_that() {
        assert_eq!(money(5.0), "5.00");
        assert_eq!(money(0.000_006_75), "0.00000675");
        assert_eq!(money(0.0), "0.00");
        assert_eq!(money(12.345), "12.345");
    }
}
