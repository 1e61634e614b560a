use super::*;
use crate::Launch;

/// Starts what it was told and ends, as a manager does that is killed.
#[test]
#[ignore = "a helper of other tests"]
fn helper_starts() {
    let Some(argv) = helper_value() else { return };
    let launch = Launch {
        replica_id: "tiny/0".to_owned(),
        argv: vec!["sh".to_owned(), "-c".to_owned(), argv],
        env: BTreeMap::from([("MODEL".to_owned(), "tiny".to_owned())]),
        port: None,
        socket: None,
        log_file: "adopted.log".into(),
        working_dir: std::env::current_dir().unwrap(),
    };
    let handle = serde_json::to_string(&start(&launch).unwrap()).unwrap();
    std::fs::write("handle.part", handle).unwrap();
    std::fs::rename("handle.part", "handle").unwrap();
}

/// What a helper started that is no more, as the next manager finds it.
fn left_behind(bench: &Bench, script: &str) -> Handle {
    let mut launch = bench.helper("process::tests::adoption::helper_starts", script);
    for secret in ["ENGINEHOUSE_MASTER_KEY", "HF_TOKEN", "VLLM_API_KEY"] {
        launch.env.insert(secret.to_owned(), "hunter2".to_owned());
    }
    let helper = bench.start(&launch).unwrap();
    until(|| exited(&helper) == Some(Exit::Code(0)));
    let stored = std::fs::read_to_string(bench.path().join("handle")).unwrap();
    let handle = serde_json::from_str(&stored).unwrap();
    bench.adopt(&handle);
    handle
}

#[tokio::test]
async fn an_engine_is_adopted_by_the_next_manager() {
    let bench = Bench::new();
    let handle = left_behind(&bench, "echo up; sleep 1000 & wait");
    assert_eq!(observe(&handle), Liveness::Alive);
    until(|| handle.log_tail(100).unwrap() == "up\n");
    until(|| group::members(&handle).unwrap().len() == 2);
    stop(&handle, Duration::from_secs(60)).await.unwrap();
    assert_eq!(exited(&handle), Some(Exit::Gone), "only its parent could know more");
    assert_eq!(group::members(&handle).unwrap(), [0; 0]);
}

#[tokio::test]
async fn the_children_of_an_adopted_engine_are_cleared_away_when_it_is_gone() {
    let bench = Bench::new();
    let handle = left_behind(&bench, "sleep 1000 & wait");
    until(|| group::members(&handle).unwrap().len() == 2);
    kill(&handle);
    until(|| exited(&handle) == Some(Exit::Gone));
    assert_eq!(group::members(&handle).unwrap().len(), 1);
    stop(&handle, Duration::from_secs(60)).await.unwrap();
    assert_eq!(group::members(&handle).unwrap(), [0; 0]);
}

#[test]
fn an_engine_gets_the_safe_part_of_the_managers_environment() {
    let bench = Bench::new();
    let handle = left_behind(&bench, "env; echo end");
    until(|| handle.log_tail(100_000).unwrap().ends_with("end\n"));
    let log = handle.log_tail(100_000).unwrap();
    assert!(log.contains("PATH=") && log.contains("HF_HUB_OFFLINE=1\n") && log.contains("MODEL=tiny\n"), "{log}");
    assert!(!log.contains("hunter2") && !log.contains(crate::testing::HELPER), "{log}");
}

#[tokio::test]
async fn a_pid_that_was_given_to_another_process_is_nobody() {
    let bench = Bench::new();
    let real = bench.sh("sleep 1000");
    let later = Handle { start_ticks: real.start_ticks + 1, ..real.clone() };
    let next_boot = Handle { boot_id: "5b2f0000-0000-0000-0000-000000000000".to_owned(), ..real.clone() };
    for stale in [later, next_boot] {
        assert_eq!(exited(&stale), Some(Exit::Gone));
        assert_eq!(group::members(&stale).unwrap(), [0; 0]);
        stop(&stale, Duration::ZERO).await.unwrap();
    }
    assert_eq!(observe(&real), Liveness::Alive, "the stranger was not touched");
}
