use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::Error;
use crate::text::plain;

/// How long it may take: with many GPUs and no persistence daemon it takes seconds.
const PATIENCE: Duration = Duration::from_secs(8);
/// Bytes that it may print.
const MOST_BYTES: u64 = 1 << 20;

/// What it prints to standard output. Ends it, and all that it started, where that takes too long.
pub(super) fn run(program: &OsStr, arguments: &[&str]) -> Result<String, Error> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Numbers are printed with a point, whatever the user speaks.
    command.env("LC_ALL", "C").process_group(0);
    let absent = |_| Error::Absent(plain(&program.to_string_lossy()));
    let mut child = command.spawn().map_err(absent)?;
    let printed = printed(&mut child);
    // Also after an end of its own: a child of its own could still be there.
    end(&mut child);
    let status = child.wait().map_err(|error| Error::Failed(error.to_string()))?;
    let (output, errors) = printed?;
    let text = String::from_utf8_lossy(&output).into_owned();
    if status.success() {
        return Ok(text);
    }
    // It says why on either.
    let why = String::from_utf8_lossy(&errors).lines().chain(text.lines()).map(plain).find(|line| !line.is_empty());
    Err(Error::Failed(why.unwrap_or_else(|| format!("it ended with {status}"))))
}

fn printed(child: &mut Child) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::Unreadable);
    };
    let (send, receive) = mpsc::channel();
    let read = move |mut from: Box<dyn std::io::Read + Send>| {
        let mut bytes = Vec::new();
        from.by_ref().take(MOST_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    // They end with the program, which is ended in any case.
    std::thread::spawn(move || {
        let errors = std::thread::spawn(move || read(Box::new(errors)));
        let output = read(Box::new(output));
        let errors = errors.join().unwrap_or_else(|_| Ok(Vec::new()));
        let _ = send.send(output.and_then(|output| Ok((output, errors?))));
    });
    let (output, errors) = match receive.recv_timeout(PATIENCE) {
        Ok(printed) => printed.map_err(|error| Error::Failed(error.to_string()))?,
        Err(_) => return Err(Error::Hangs(PATIENCE.as_secs())),
    };
    if output.len() as u64 > MOST_BYTES {
        return Err(Error::TooMuch(MOST_BYTES));
    }
    Ok((output, errors))
}

/// The group still bears the id of the program, which was not waited for yet.
fn end(child: &mut Child) {
    if let Ok(None) = child.try_wait() {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
