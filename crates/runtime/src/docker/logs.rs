use std::io::Write as _;
use std::path::Path;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::{Stream, StreamExt as _};

use super::{Docker, DockerError};
use crate::log_file;
use crate::runtime::blocking;

/// Lines at the end of a log that are looked at for the reason of an end.
const TAIL_LINES: u32 = 200;
/// Bytes of one line that are kept.
const LINE_BYTES: usize = 64 << 10;

/// How far the log of a container was copied: Docker's time stamp of the last line, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition(String);

// === impl LogPosition ===

impl LogPosition {
    /// Behind everything that was printed up to a moment, written as `2026-11-21T16:20:15.000000000Z`.
    pub const fn behind(moment: String) -> Self {
        Self(moment)
    }
}

// === impl Docker ===

impl Docker {
    /// Copies what a container prints to the end of a file, beginning behind `after`, until it ends or the daemon goes
    /// away; how far it came.
    pub async fn copy_logs(&self, container: &str, to: &Path, after: &mut LogPosition) -> Result<(), DockerError> {
        let api = self.api().await?;
        let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).timestamps(true).build();
        let stream = api.logs(container, Some(options));
        tokio::pin!(stream);
        let path = to.to_owned();
        let file = blocking(move || log_file::open(&path)).await;
        let mut file = file.map_err(|error| DockerError::Refused { message: format!("its log: {error}") })?;
        while let Some(told) = stream.next().await {
            let told = told.map_err(|error| DockerError::of(self.host(), error));
            let told = told.inspect_err(|error| self.forget_if_away(error))?;
            let bytes = told.into_bytes();
            let Some((stamp, line)) = stamped(&bytes) else { continue };
            if stamp <= after.0.as_str() {
                continue;
            }
            stamp.clone_into(&mut after.0);
            // A disk that is full loses lines of a copy; Docker has them still.
            let _ = file.write_all(line);
        }
        Ok(())
    }

    /// The last lines that a container printed.
    pub async fn log_tail(&self, container: &str) -> Result<String, DockerError> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&TAIL_LINES.to_string()).build();
        let lines = self.ask(async |api| Ok(collect(api.logs(container, Some(options))).await)).await?;
        Ok(lines)
    }
}

async fn collect<E>(stream: impl Stream<Item = Result<bollard::container::LogOutput, E>>) -> String {
    tokio::pin!(stream);
    let mut text = String::new();
    while let Some(Ok(told)) = stream.next().await {
        let bytes = told.into_bytes();
        text.push_str(&String::from_utf8_lossy(&bytes[..bytes.len().min(LINE_BYTES)]));
    }
    text
}

/// A line and the time in front of it.
fn stamped(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    let stamp = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((stamp, &bytes[end + 1..]))
}
