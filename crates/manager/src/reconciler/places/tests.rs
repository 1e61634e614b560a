use runtime::{Handle, Listener, process};
use spec::{Format, parse};

use super::*;
use crate::config::Environment;
use crate::placement::ids;
use crate::placement::tests::whole;
use crate::reconciler::replica::{Phase, Process};
use crate::reconciler::served::Served;

/// The replicas of one deployment `d`.
fn wanted(engine: &str) -> Vec<Desired> {
    let text = format!(
        "version: 1\nmodels: [{{name: m, type: chat, deployments: [{{id: d, engine: {{source: /m, {engine}}}}}]}}]"
    );
    super::super::desired(&parse(&text, Format::Yaml).unwrap(), &Environment::new(|_| None))
}

/// Those of a definition, as they serve once they were started in their first places.
fn serving(engine: &str) -> Replicas {
    wanted(engine).iter().map(|desired| (desired.id.clone(), started(desired))).collect()
}

fn started(desired: &Desired) -> Replica {
    let handle =
        process::Handle { pid: 1, start_ticks: 1, boot_id: String::new(), log_file: "/l".into(), log_start: 0 };
    let process = Process {
        handle: Handle::Process(handle),
        listener: Listener::Port(1),
        spec_hash: desired.spec_hash.clone(),
        started_at: ambient::Timestamp::default(),
        gpus: Some(ids(&desired.engine, desired.number, Some(&whole(8)))),
        placed: None,
        source: None,
        serves: Some(desired.serves.to_string()),
    };
    Replica {
        phase: Phase::Ready { since: ambient::Timestamp::default() },
        served: Served::Yes,
        process: Some(process),
        last_hash: Some(desired.spec_hash.clone()),
        ..Replica::default()
    }
}

/// As an earlier manager left it.
fn adopted(desired: &Desired) -> Replica {
    Replica { phase: Phase::Starting { since: ambient::Timestamp::default() }, adopted: true, ..started(desired) }
}

/// Places, `!` where they are kept as they are, `+` where something serves on beside.
fn seats(engine: &str, replicas: &Replicas) -> Vec<String> {
    seats_on(Some(&whole(8)), engine, replicas)
}

fn seats_on(inventory: Option<&Inventory>, engine: &str, replicas: &Replicas) -> Vec<String> {
    let seated = seat(&wanted(engine), replicas, inventory);
    let mark = |desired: &Desired| match (desired.kept, desired.waits.is_some()) {
        (true, _) => "+",
        (false, true) => "!",
        (false, false) => "",
    };
    seated.iter().map(|desired| format!("{}{}", desired.id, mark(desired))).collect()
}

#[test]
fn a_replica_begins_in_its_first_place_and_stays_where_it_is() {
    assert_eq!(seats("replicas: 2", &Replicas::new()), ["d/0", "d/1"]);
    assert_eq!(seats("replicas: 2", &serving("replicas: 2")), ["d/0", "d/1"]);
    let second = Replicas::from([("d/0b".to_owned(), started(&wanted("")[0]))]);
    assert_eq!(seats("", &second), ["d/0b"]);
}

#[test]
fn another_definition_starts_beside_what_serves_which_ends_once_it_does() {
    let mut replicas = serving("");
    assert_eq!(seats("args: [--x]", &replicas), ["d/0b", "d/0+"]);
    let new = &wanted("args: [--x]")[0];
    let preparing =
        Replica { process: None, phase: Phase::Starting { since: ambient::Timestamp::default() }, ..started(new) };
    replicas.insert("d/0b".into(), preparing);
    assert_eq!(seats("args: [--x]", &replicas), ["d/0b", "d/0+"], "also while it starts or fails");
    replicas.insert("d/0b".into(), Replica { served: Served::No, ..started(new) });
    assert_eq!(seats("args: [--x]", &replicas), ["d/0b", "d/0+"], "and until gateways have it");
    replicas.insert("d/0b".into(), started(new));
    assert_eq!(seats("args: [--x]", &replicas), ["d/0b"]);
    assert_eq!(seats("", &replicas), ["d/0"], "and back");
}

#[test]
fn what_does_not_serve_is_replaced_where_it_is() {
    let mut replicas = serving("");
    for phase in [Phase::Unhealthy, Phase::Starting { since: ambient::Timestamp::default() }] {
        replicas.get_mut("d/0").unwrap().phase = phase;
        assert_eq!(seats("args: [--x]", &replicas), ["d/0"]);
    }
    let ended = Replica { ended: Some("x".into()), ..started(&wanted("")[0]) };
    assert_eq!(seats("args: [--x]", &Replicas::from([("d/0".to_owned(), ended)])), ["d/0"]);
}

#[test]
fn two_run_at_once_only_where_nothing_is_asked_for_that_one_must_have() {
    assert_eq!(seats("gpus: [0], args: [--x]", &serving("gpus: [0]")), ["d/0"]);
    assert_eq!(seats("gpus: [1]", &serving("gpus: [0]")), ["d/0b", "d/0+"]);
    assert_eq!(seats("gpus: [GPU-0aaaaaaa]", &serving("gpus: [0]")), ["d/0"], "the same by another name");
    assert_eq!(seats("gpus: [GPU-1aaaaaaa]", &serving("gpus: [0]")), ["d/0b", "d/0+"]);
    for nowhere in ["gpus: [GPU-x]", "gpus: [9]"] {
        assert_eq!(seats(nowhere, &serving("gpus: [0]")), ["d/0b", "d/0+"], "it fails beside what serves on");
    }
    assert_eq!(seats_on(None, "gpus: [1]", &serving("gpus: [0]")), ["d/0!"], "nobody knows yet");
    let mut earlier = serving("gpus: [0]");
    earlier.get_mut("d/0").unwrap().process.as_mut().unwrap().gpus = Some(vec!["0".to_owned()]);
    assert_eq!(seats("gpus: [1]", &earlier), ["d/0b", "d/0+"], "records of earlier versions have names");
    assert_eq!(seats("gpus: [0], args: [--x]", &earlier), ["d/0"]);
    assert_eq!(seats("gpus: [1]", &serving("gpus: [all]")), ["d/0"]);
    assert_eq!(seats("", &serving("gpus: [0]")), ["d/0b", "d/0+"]);
    assert_eq!(seats("host_port: 9000, args: [--x]", &serving("host_port: 9000")), ["d/0"]);
    let mut unknown = serving("gpus: [0]");
    unknown.get_mut("d/0").unwrap().process.as_mut().unwrap().gpus = None;
    assert_eq!(seats("gpus: [1]", &unknown), ["d/0"]);
    let mut taken = serving("gpus: [0]");
    taken.insert("other/0".into(), started(&wanted("gpus: [1]")[0]));
    assert_eq!(seats("gpus: [1]", &taken), ["d/0"], "another model has it");
}

#[test]
fn replicas_of_a_deployment_are_replaced_one_after_the_other() {
    let mut replicas = serving("replicas: 3");
    let new = "replicas: 3, args: [--x]";
    assert_eq!(seats(new, &replicas), ["d/0b", "d/0+", "d/1!", "d/2!"]);
    let failed = Replica { phase: Phase::Failed { reason: "x".into() }, process: None, ..started(&wanted(new)[0]) };
    replicas.insert("d/0b".into(), failed);
    assert_eq!(seats(new, &replicas), ["d/0b", "d/0+", "d/1!", "d/2!"], "what does not start stops the rest");
    replicas.insert("d/0b".into(), started(&wanted(new)[0]));
    assert_eq!(seats(new, &replicas), ["d/0b", "d/1!", "d/2!"], "until what was before is gone");
    replicas.remove("d/0");
    assert_eq!(seats(new, &replicas), ["d/0b", "d/1b", "d/1+", "d/2!"]);
    let shared = "replicas: 2, gpus: [0, 1], args: [--x]";
    assert_eq!(seats(shared, &serving("replicas: 2, gpus: [0, 1]")), ["d/0", "d/1!"]);
}

#[test]
fn nobody_waits_for_whom_he_keeps_from_starting() {
    let mut replicas = serving("replicas: 2, gpus: [0, 1]");
    replicas.remove("d/0");
    assert_eq!(seats("replicas: 2, gpus: [1, 0]", &replicas), ["d/0", "d/1b", "d/1+"], "the other GPU is free");
    replicas.insert("other/0".into(), started(&wanted("gpus: [0]")[0]));
    assert_eq!(seats("replicas: 2, gpus: [1, 0]", &replicas), ["d/0", "d/1"]);
}

#[test]
fn the_next_manager_goes_on_in_the_middle() {
    let (old, new) = (&wanted("")[0], &wanted("args: [--x]")[0]);
    let both = Replicas::from([("d/0".to_owned(), adopted(old)), ("d/0b".to_owned(), adopted(new))]);
    assert_eq!(seats("args: [--x]", &both), ["d/0b", "d/0+"]);
    let same = Replicas::from([("d/0".to_owned(), adopted(old)), ("d/0b".to_owned(), started(old))]);
    assert_eq!(seats("", &same), ["d/0b"], "of two that were to take turns, the one that serves");
}

#[test]
fn what_answers_under_another_name_or_type_cannot_stand_in() {
    for serves in [Some("embedding m".to_owned()), Some("chat other".to_owned()), None] {
        let mut replicas = serving("");
        replicas.get_mut("d/0").unwrap().process.as_mut().unwrap().serves = serves;
        assert_eq!(seats("args: [--x]", &replicas), ["d/0"]);
    }
}

#[test]
fn what_was_told_to_be_replaced_is_by_its_like() {
    let mut replicas = serving("");
    replicas.get_mut("d/0").unwrap().replace = true;
    assert_eq!(seats("", &replicas), ["d/0b", "d/0+"]);
    replicas.insert("d/0b".into(), started(&wanted("")[0]));
    assert_eq!(seats("", &replicas), ["d/0b"]);
}
