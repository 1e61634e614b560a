use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

use serde_json::Value;

/// The binary under test.
#[derive(Clone, Debug)]
pub struct Program(Arc<Path>);

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

// === impl Program ===

impl Program {
    /// The binary at `path`; see [`enginehouse!`](crate::enginehouse).
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into().into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A command in an environment without a trace of the caller's own Enginehouse.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&*self.0);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ENGINEHOUSE_")) {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command line to its end.
    pub fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
        Finished::of(self.command().args(arguments), None)
    }
}

// === impl Finished ===

impl Finished {
    /// Runs `command` to its end, with `input` as its standard input.
    pub fn of(command: &mut Command, input: Option<&str>) -> Self {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.unwrap_or_default().as_bytes()).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Exit status 0, else the test fails and shows what was printed; standard output.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert!(self.status.success(), "{:?}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr);
        &self.stdout
    }

    /// Exit status 0 and JSON on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.ok();
        serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in: {text}"))
    }

    /// This exit status, else the test fails and shows what was printed; standard error.
    #[track_caller]
    pub fn fails_with(&self, code: i32) -> &str {
        let Self { status, stdout, stderr } = self;
        assert_eq!(status.code(), Some(code), "stdout: {stdout}\nstderr: {stderr}");
        stderr
    }
}
