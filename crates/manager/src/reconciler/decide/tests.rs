use std::sync::Arc;

use runtime::{Handle, Listener, process};

use super::*;
use crate::reconciler::probe::Probe;
use crate::reconciler::replica::Step;

const NOW: i64 = 1_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn desired() -> Desired {
    let engine = r#"{"source": "/m", "runtime": "process", "command": ["x", "{port}"]}"#;
    Desired {
        id: "d/0".into(),
        model: "m".into(),
        number: 0,
        serves: "chat m".into(),
        spec_hash: "new".into(),
        start_timeout: Duration::from_secs(60),
        health_path: "/health",
        engine: Arc::new(serde_json::from_str(engine).unwrap()),
        env: Arc::default(),
        container: None,
        obstacle: None,
        waits: None,
        kept: false,
    }
}

fn running(phase: Phase) -> Replica {
    let handle = Handle::Process(process::Handle {
        pid: 1,
        start_ticks: 1,
        boot_id: String::new(),
        log_file: "/l".into(),
        log_start: 0,
    });
    let process = Process {
        handle,
        listener: Listener::Port(1),
        spec_hash: "new".into(),
        started_at: at(0),
        gpus: None,
        placed: None,
        source: None,
        serves: None,
    };
    Replica { phase, process: Some(process), last_hash: Some("new".into()), ..Replica::default() }
}

fn checked(phase: Phase, passed: bool, times: u32) -> Replica {
    let mut replica = running(phase);
    for _ in 0..times {
        let outcome = if passed { Ok(()) } else { Err("no answer".to_owned()) };
        replica.probe.note(outcome, at(0), Duration::ZERO);
    }
    replica
}

fn down(phase: Phase) -> Replica {
    Replica { phase, last_hash: Some("new".into()), ..Replica::default() }
}

fn decided(wanted: Option<Desired>, replica: Option<Replica>) -> Option<Action> {
    let wanted: Vec<_> = wanted.into_iter().collect();
    let replicas = replica.into_iter().map(|replica| ("d/0".to_owned(), replica)).collect();
    let mut actions = decide(&wanted, &replicas, at(NOW));
    assert!(actions.len() <= 1, "{actions:?}");
    actions.pop().map(|(_, action)| action)
}

fn starting(since: i64) -> Phase {
    Phase::Starting { since: at(since) }
}

fn ready() -> Phase {
    Phase::Ready { since: at(0) }
}

fn stop(failure: &str) -> Action {
    Action::Stop { failure: Some(failure.to_owned()) }
}

const STOP: Option<Action> = Some(Action::Stop { failure: None });

#[test]
fn what_is_wanted_and_not_there_is_started() {
    assert_eq!(decided(Some(desired()), None), Some(Action::Start));
    assert_eq!(decided(Some(desired()), Some(down(Phase::Pending))), Some(Action::Start));
}

#[test]
fn what_is_not_wanted_is_stopped_and_forgotten() {
    for phase in [starting(0), ready(), Phase::Unhealthy] {
        assert_eq!(decided(None, Some(running(phase))), STOP);
    }
    assert_eq!(decided(None, Some(running(Phase::Stopping { failure: None, drains: false }))), None);
    let backing_off = Phase::BackingOff { until: at(NOW + 9), reason: "r".into() };
    for phase in [Phase::Pending, backing_off, Phase::Failed { reason: "r".into() }] {
        assert_eq!(decided(None, Some(down(phase))), Some(Action::Forget));
    }
}

#[test]
fn a_start_becomes_ready_only_with_a_passed_check_and_is_given_up_after_its_time() {
    let wanted = || Some(desired());
    assert_eq!(decided(wanted(), Some(running(starting(NOW)))), None);
    assert_eq!(decided(wanted(), Some(checked(starting(NOW - 59), false, 9))), None);
    let overdue = Some(stop("not healthy within 60 s of its start (no answer)"));
    assert_eq!(decided(wanted(), Some(checked(starting(NOW - 60), false, 9))), overdue);
    let enter = Some(Action::Enter(Phase::Ready { since: at(NOW) }));
    assert_eq!(decided(wanted(), Some(checked(starting(NOW - 60), true, 1))), enter, "just in time");
}

#[test]
fn failed_checks_in_a_row_make_unhealthy_then_hopeless() {
    let wanted = || Some(desired());
    assert_eq!(decided(wanted(), Some(checked(ready(), true, 1))), None);
    assert_eq!(decided(wanted(), Some(checked(ready(), false, 2))), None);
    assert_eq!(decided(wanted(), Some(checked(ready(), false, 3))), Some(Action::Enter(Phase::Unhealthy)));
    assert_eq!(decided(wanted(), Some(checked(Phase::Unhealthy, false, 19))), None);
    let hopeless = Some(stop("20 health checks in a row failed: no answer"));
    assert_eq!(decided(wanted(), Some(checked(Phase::Unhealthy, false, 20))), hopeless);
    let back = Some(Action::Enter(Phase::Ready { since: at(NOW) }));
    assert_eq!(decided(wanted(), Some(checked(Phase::Unhealthy, true, 1))), back);
    let mut recovered = checked(ready(), false, 2);
    recovered.probe.note(Ok(()), at(0), Duration::ZERO);
    recovered.probe.note(Err("x".into()), at(0), Duration::ZERO);
    assert_eq!(recovered.probe.failures(), 1, "in a row");
}

#[test]
fn what_ended_is_cleared_away_and_started_again_after_its_pause() {
    for phase in [starting(NOW), ready(), Phase::Unhealthy] {
        let ended = Replica { ended: Some("exit code 3".into()), ..running(phase) };
        assert_eq!(decided(Some(desired()), Some(ended)), Some(stop("exit code 3")));
    }
    let pause = |until| down(Phase::BackingOff { until: at(until), reason: "r".into() });
    assert_eq!(decided(Some(desired()), Some(pause(NOW + 1))), None);
    assert_eq!(decided(Some(desired()), Some(pause(NOW))), Some(Action::Start));
    let changed = Desired { spec_hash: "newer".into(), ..desired() };
    assert_eq!(decided(Some(changed), Some(pause(NOW + 60))), Some(Action::Start), "what is new is tried at once");
}

#[test]
fn another_definition_replaces_what_runs() {
    let changed = || Some(Desired { spec_hash: "newer".into(), ..desired() });
    for phase in [starting(NOW), ready(), Phase::Unhealthy] {
        assert_eq!(decided(changed(), Some(checked(phase, true, 1))), STOP);
    }
    assert_eq!(
        decided(changed(), Some(running(Phase::Stopping { failure: None, drains: false }))),
        None,
        "one thing at a time"
    );
}

#[test]
fn an_obstacle_is_a_failure_that_is_told_once() {
    let obstructed = || Some(Desired { obstacle: Some("no".into()), ..desired() });
    let failed = Phase::Failed { reason: "no".into() };
    assert_eq!(decided(obstructed(), None), Some(Action::Enter(failed.clone())));
    assert_eq!(decided(obstructed(), Some(down(failed.clone()))), None);
    assert_eq!(decided(obstructed(), Some(running(ready()))), STOP);
    assert_eq!(decided(Some(desired()), Some(down(failed))), Some(Action::Start), "it is gone");
}

#[test]
fn a_check_of_nothing_says_so() {
    assert_eq!(Probe::default().fault(), "not checked yet");
}

#[test]
fn a_container_that_is_made_is_given_up_only_for_another_one() {
    let preparing = || down(Phase::Preparing { step: Step::Creating });
    assert_eq!(decided(Some(desired()), Some(preparing())), None);
    assert_eq!(decided(None, Some(preparing())), Some(Action::Abandon));
    let changed = Desired { spec_hash: "newer".into(), ..desired() };
    assert_eq!(decided(Some(changed), Some(preparing())), Some(Action::Abandon));
}

#[test]
fn what_was_told_to_be_started_anew_is_stopped_first() {
    let told = Replica { restart: true, ..checked(ready(), true, 1) };
    assert_eq!(decided(Some(desired()), Some(told)), STOP);
}

#[test]
fn what_waits_for_its_turn_is_tended_and_not_stopped() {
    let waiting = || Some(Desired { spec_hash: "newer".into(), waits: Some("w".into()), ..desired() });
    assert_eq!(decided(waiting(), Some(checked(ready(), true, 1))), None);
    assert_eq!(decided(waiting(), Some(checked(ready(), false, 3))), Some(Action::Enter(Phase::Unhealthy)));
    let adopted = Replica { adopted: true, ..checked(starting(NOW), true, 1) };
    assert_eq!(decided(waiting(), Some(adopted)), Some(Action::Enter(Phase::Ready { since: at(NOW) })));
    let ended = Replica { ended: Some("exit code 3".into()), ..running(ready()) };
    assert_eq!(decided(waiting(), Some(ended)), STOP, "what comes next is of the new definition");
}

#[test]
fn every_decision_says_why() {
    let why = |wanted: Option<Desired>, replica: Option<Replica>| {
        let wanted: Vec<_> = wanted.into_iter().collect();
        let replicas = replica.into_iter().map(|replica| ("d/0".to_owned(), replica)).collect();
        judge(&wanted, &replicas, at(NOW)).pop().unwrap().1.why.into_owned()
    };
    assert_eq!(why(Some(desired()), None), "it should run, and nothing of it does");
    assert_eq!(why(Some(desired()), Some(checked(ready(), true, 1))), "it runs as it should");
    assert_eq!(why(None, Some(running(ready()))), "nothing asks for it any more");
    let left = why(Some(desired()), Some(checked(starting(NOW - 50), false, 1)));
    assert_eq!(left, "it starts, and has 10 s left for that (no answer)");
    let changed = Desired { spec_hash: "newer".into(), ..desired() };
    assert_eq!(why(Some(changed), Some(running(ready()))), "it runs from another definition");
    let pause = down(Phase::BackingOff { until: at(NOW + 1), reason: "exit code 3".into() });
    assert!(why(Some(desired()), Some(pause)).starts_with("it failed (exit code 3) and is tried again at "));
}
