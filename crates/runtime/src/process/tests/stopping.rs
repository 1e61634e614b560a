use super::*;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_polite_way_comes_first_and_once() {
    let bench = Bench::new();
    let handle = bench.sh("trap 'echo term >> terms; sleep 0.3; echo bye >> terms; exit 0' TERM; echo up > up; while :; do sleep 0.01; done");
    bench.written("up");
    stop(&handle, LONG).await.unwrap();
    assert_eq!(bench.written("terms"), "term\nbye");
    assert_eq!(group::members(&handle).unwrap(), [0; 0]);
}

#[tokio::test]
async fn what_ignores_it_is_killed_with_all_its_children() {
    let bench = Bench::new();
    let grandchild = "trap \"\" TERM; echo $$ > grandchild; while :; do sleep 1; done";
    let handle = bench.sh(&format!("(sh -c '{grandchild}') & trap '' TERM; while :; do sleep 1; done"));
    let grandchild: u32 = bench.written("grandchild").parse().unwrap();
    assert!(group::members(&handle).unwrap().contains(&grandchild));
    stop(&handle, SHORT).await.unwrap();
    assert_eq!(group::members(&handle).unwrap(), [0; 0]);
    assert!(stat::Stat::read(grandchild).map_or(true, stat::Stat::is_zombie));
}

#[tokio::test]
async fn children_that_outlive_the_first_process_are_stopped_too() {
    let bench = Bench::new();
    let handle = bench.sh("sleep 1000 & echo up > up");
    bench.written("up");
    until(|| exited(&handle) == Some(Exit::Code(0)));
    assert_eq!(group::members(&handle).unwrap().len(), 1);
    stop(&handle, LONG).await.unwrap();
    assert_eq!(group::members(&handle).unwrap(), [0; 0]);
}

#[tokio::test]
async fn what_a_dead_first_process_left_gets_a_short_grace() {
    let bench = Bench::new();
    let worker = "trap \"\" TERM; echo up > up; while :; do sleep 0.1; done";
    let handle = bench.sh(&format!("(sh -c '{worker}') & exit 0"));
    bench.written("up");
    until(|| exited(&handle) == Some(Exit::Code(0)));
    // Far less than the minute of a group whose first process still answers.
    tokio::time::timeout(Duration::from_secs(40), stop(&handle, LONG)).await.unwrap().unwrap();
    assert_eq!(group::members(&handle).unwrap(), [0; 0]);
}

#[tokio::test]
async fn stopping_reaps_and_stopping_again_does_nothing() {
    let bench = Bench::new();
    let handle = bench.sh("exit 1");
    until(|| exited(&handle) == Some(Exit::Code(1)));
    stop(&handle, LONG).await.unwrap();
    assert!(stat::Stat::read(handle.pid).is_err(), "no zombie is left");
    assert_eq!(exited(&handle), Some(Exit::Gone));
    stop(&handle, LONG).await.unwrap();
}

#[tokio::test]
async fn orphans_of_a_first_process_that_is_gone_are_known_by_the_log() {
    let bench = Bench::new();
    let handle = bench.sh("sleep 1000 & sleep 1001 > /dev/null 2>&1 & echo up > up; wait");
    bench.written("up");
    until(|| group::members(&handle).unwrap().len() == 3);
    kill(&handle);
    waitpid(pid(handle.pid), rustix::process::WaitOptions::empty()).unwrap();
    assert_eq!(exited(&handle), Some(Exit::Gone));
    let orphans = group::members(&handle).unwrap();
    assert_eq!(orphans.len(), 1, "what does not write to the log may be anybody's");
    stop(&handle, LONG).await.unwrap();
    assert_eq!(group::members(&handle).unwrap(), [0; 0]);
    let others = stat::all().unwrap().filter(|(_, stat)| stat.group == handle.pid && !stat.is_zombie());
    assert_eq!(others.count(), 1, "and is left alone");
}

#[tokio::test]
async fn what_bears_a_tag_is_found_and_stopped_with_its_group() {
    let bench = Bench::new();
    let start = |tag: &str, script: &str| {
        let mut launch = bench.launch(&["sh", "-c", script]);
        launch.env.insert(TAG.to_owned(), tag.to_owned());
        bench.start(&launch).unwrap()
    };
    let home = format!("{}#", bench.path().display());
    let (wanted, other) = (format!("{home}a/0"), format!("{home}a/1"));
    let stubborn = "trap '' TERM; env -i sh -c 'trap \"\" TERM; echo up > up; while :; do sleep 0.1; done' & wait";
    let stray = start(&wanted, stubborn);
    let kept = start(&other, "sleep 1000");
    bench.written("up");
    until(|| group::members(&stray).unwrap().len() >= 2);
    let found = tagged(&home).unwrap();
    assert!(found.contains(&Tagged { pid: stray.pid, tag: wanted.clone() }), "{found:?}");
    assert!(found.contains(&Tagged { pid: kept.pid, tag: other }), "{found:?}");
    stop_tagged(&wanted, SHORT).await.unwrap();
    assert_eq!(group::members(&stray).unwrap(), [0; 0], "also what cleared its environment");
    assert_eq!(observe(&kept), Liveness::Alive, "another tag, though it begins alike");
    stop_tagged(&format!("{home}none"), SHORT).await.unwrap();
}
