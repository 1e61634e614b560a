use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rustix::process::{Signal, kill_process, waitpid};

use super::*;
use crate::testing::{Bench, helper_value, pid, until};
use crate::{Exit, Liveness};

mod adoption;
mod listeners;
mod stopping;

fn exited(handle: &Handle) -> Option<Exit> {
    match observe(handle) {
        Liveness::Alive => None,
        Liveness::Exited { reason } => Some(reason),
    }
}

fn kill(handle: &Handle) {
    kill_process(pid(handle.pid).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_process_is_alive_until_it_exits_and_its_code_stays_known() {
    let bench = Bench::new();
    let handle = bench.sh("while [ ! -e go ]; do sleep 0.01; done; exit 3");
    assert_eq!(observe(&handle), Liveness::Alive);
    std::fs::write(bench.path().join("go"), "").unwrap();
    until(|| exited(&handle).is_some());
    assert_eq!([exited(&handle), exited(&handle)], [Some(Exit::Code(3)); 2], "asking does not reap");
}

#[test]
fn signals_are_told() {
    let bench = Bench::new();
    let handle = bench.sh("sleep 1000");
    kill(&handle);
    until(|| exited(&handle) == Some(Exit::Signal(9)));
}

#[test]
fn output_goes_to_a_private_log_over_restarts() {
    let bench = Bench::new();
    for run in ["one", "two"] {
        let handle = bench.sh(&format!("echo {run}; echo {run} failed >&2"));
        until(|| exited(&handle).is_some());
        assert_eq!(handle.log_tail(1000).unwrap(), format!("{run}\n{run} failed\n"), "of this run only");
    }
    let log = bench.path().join("logs/engine.log");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "one\none failed\ntwo\ntwo failed\n");
    assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn it_reads_nothing_and_runs_in_its_folder_and_its_own_group() {
    let bench = Bench::new();
    let handle = bench.sh("cat; pwd -P; ps -o pgid= -p $$");
    until(|| exited(&handle) == Some(Exit::Code(0)));
    let log = handle.log_tail(1000).unwrap();
    let folder = bench.path().canonicalize().unwrap();
    let lines: Vec<_> = log.lines().map(str::trim).collect();
    assert_eq!(lines, [folder.to_str().unwrap(), &handle.pid.to_string()]);
}

#[test]
fn what_cannot_be_started_is_named() {
    let bench = Bench::new();
    let refused = |argv: &[&str]| start(&bench.launch(argv)).unwrap_err().to_string();
    assert!(refused(&[]).contains("the command is empty"));
    assert!(refused(&[""]).contains("the command is empty"));
    let error = refused(&["no-such-engine", "serve"]);
    assert!(error.contains("cannot start `no-such-engine`: it was not found in PATH"), "{error}");
    let error = refused(&["/no/such/engine"]);
    assert!(error.contains("cannot start `/no/such/engine`: there is no such file"), "{error}");
    let script = bench.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    let script = script.to_str().unwrap();
    assert!(refused(&[script]).contains("permission denied; make it executable"));
    std::fs::set_permissions(script, Permissions::from_mode(0o755)).unwrap();
    assert!(refused(&[script]).contains("the interpreter in its first line is missing"));
    let mut launch = bench.launch(&["true"]);
    launch.working_dir = "/no/such/folder".into();
    assert!(start(&launch).unwrap_err().to_string().contains("cannot run in the folder /no/such/folder"));
    launch = bench.launch(&["true"]);
    launch.log_file = "/proc/none/engine.log".into();
    assert!(start(&launch).unwrap_err().to_string().contains("cannot write the log /proc/none/engine.log"));
}

#[test]
fn the_environment_of_a_launch_is_not_shown() {
    let bench = Bench::new();
    let mut launch = bench.launch(&["vllm", "--api-key", "hunter2"]);
    launch.env = BTreeMap::from([("KEY".to_owned(), "hunter2".to_owned())]);
    let shown = format!("{launch:?}");
    assert!(shown.contains("vllm") && shown.contains("KEY") && !shown.contains("hunter2"), "{shown}");
}
