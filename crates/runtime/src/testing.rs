//! Engines for tests: shell scripts, and this test binary itself, called again to do one thing.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpgid};
use tempfile::TempDir;

use crate::process::{Handle, StartError, start};
use crate::{Launch, Listener};

/// A folder and what runs in it; both are gone with it.
pub(crate) struct Bench {
    folder: TempDir,
    started: parking_lot::Mutex<Vec<u32>>,
}

// === impl Bench ===

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), started: parking_lot::Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn launch(&self, argv: &[&str]) -> Launch {
        Launch {
            replica_id: "tiny/0".to_owned(),
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            env: [].into(),
            port: None,
            socket: None,
            log_file: self.path().join("logs/engine.log"),
            working_dir: self.path().to_owned(),
        }
    }

    pub(crate) fn start(&self, launch: &Launch) -> Result<Handle, StartError> {
        let handle = start(launch)?;
        self.adopt(&handle);
        Ok(handle)
    }

    /// Runs a shell script.
    pub(crate) fn sh(&self, script: &str) -> Handle {
        self.start(&self.launch(&["sh", "-c", script])).unwrap()
    }

    /// Runs this test binary again, so that it calls the ignored test `helper` with `value`.
    pub(crate) fn helper(&self, helper: &str, value: &str) -> Launch {
        let binary = std::env::current_exe().unwrap();
        let mut launch = self.launch(&[binary.to_str().unwrap(), "--exact", "--ignored", "--nocapture", helper]);
        launch.env.insert(HELPER.to_owned(), value.to_owned());
        launch
    }

    /// Starts what listens on a port or socket.
    pub(crate) fn listening(&self, listener: &Listener) -> Handle {
        let value = serde_json::to_string(listener).unwrap();
        self.start(&self.helper("process::tests::listeners::helper_listens", &value)).unwrap()
    }

    /// Ends it with the bench.
    pub(crate) fn adopt(&self, handle: &Handle) {
        self.started.lock().push(handle.pid);
    }

    /// The file's text, once it ends with a newline.
    pub(crate) fn written(&self, name: &str) -> String {
        let read = || std::fs::read_to_string(self.path().join(name)).unwrap_or_default();
        until(|| read().ends_with('\n'));
        read().trim_end().to_owned()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for pid in self.started.lock().drain(..).filter_map(pid) {
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = waitpgid(pid, WaitOptions::NOHANG);
        }
    }
}

/// The variable that tells a helper what to do.
pub(crate) const HELPER: &str = "RUNTIME_TEST_HELPER";

/// What a helper was told; none where it runs as a test like all others.
pub(crate) fn helper_value() -> Option<String> {
    std::env::var(HELPER).ok()
}

pub(crate) fn pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(pid.try_into().unwrap())
}

/// Waits for what comes by itself, at most for 30 s.
#[track_caller]
pub(crate) fn until(mut happened: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if happened() {
            return;
        }
        pause();
    }
    panic!("it did not happen");
}

#[expect(clippy::disallowed_methods, reason = "tests of real processes wait in real time, outside a runtime")]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}
