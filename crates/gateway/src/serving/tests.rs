use std::collections::BTreeMap;
use std::sync::mpsc;

use ambient::Timestamp;
use ledger::Price;
use snapshot::{Key, KeyKind, Limits, Model, ModelType, Spent, Strategy, Team};

use super::*;

fn model(name: &str) -> Model {
    Model {
        name: name.into(),
        model_type: ModelType::Chat,
        price: Price::default(),
        limits: Limits::default(),
        spent: Spent::default(),
        context_length: None,
        strategy: Strategy::LeastBusy,
        fallbacks: snapshot::Fallbacks::default(),
        retries: None,
        retry_policy: snapshot::CausePolicy::default(),
        created: 0,
        open_access: false,
        deployments: Vec::new(),
    }
}

fn key(id: &str, team: Option<&str>) -> Key {
    Key {
        id: id.into(),
        hash: KeyHash::of(id),
        kind: KeyKind::Virtual,
        alias: None,
        models: Vec::new(),
        aliases: BTreeMap::new(),
        team: team.map(Into::into),
        limits: Limits::default(),
        spent: Spent::default(),
        retries: None,
        routing: None,
        expires_at: None,
        blocked: false,
    }
}

fn team(id: &str) -> Team {
    Team {
        id: id.into(),
        alias: None,
        models: Vec::new(),
        limits: Limits::default(),
        spent: Spent::default(),
        blocked: false,
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        models: vec![model("one"), model("two")],
        keys: vec![key("k", None), key("member", Some("t")), key("orphan", Some("nowhere"))],
        teams: vec![team("t")],
        ..Snapshot::default()
    }
}

fn next(previous: &Serving, snapshot: &Snapshot) -> Serving {
    Serving::next(previous, snapshot, &Metrics::new(), Timestamp::default())
}

fn held<'s>(serving: &'s Serving, key: &str) -> &'s Arc<KeyState> {
    serving.keys.get(&KeyHash::of(key)).unwrap()
}

/// Names of the keys and models that both have in common, not only alike.
fn shared(old: &Serving, new: &Serving) -> Vec<String> {
    let is_shared = |key: &&Arc<KeyState>| new.keys.get(&key.key.hash).is_some_and(|other| Arc::ptr_eq(key, other));
    let keys = old.keys.states().filter(is_shared).map(|state| state.key.id.to_string());
    let models = old.models.iter().filter(|(name, at)| new.models.get(*name).is_some_and(|to| Arc::ptr_eq(at, to)));
    let mut names: Vec<_> = keys.chain(models.map(|(name, _)| name.to_string())).collect();
    names.sort();
    names
}

#[test]
fn what_stays_as_it_was_is_shared_by_both_generations() {
    let mut snapshot = snapshot();
    let first = next(&Serving::default(), &snapshot);
    let second = next(&first, &snapshot);
    assert_eq!(shared(&first, &second), ["k", "member", "one", "orphan", "two"]);
    snapshot.models[1].price.input = 7;
    snapshot.keys[0].blocked = true;
    let third = next(&second, &snapshot);
    assert_eq!(shared(&second, &third), ["member", "one", "orphan"]);
    assert_eq!(third.models["two"].model.price.input, 7);
    assert!(held(&third, "k").is_blocked() && held(&third, "orphan").is_blocked());
    snapshot.keys.remove(0);
    let fourth = next(&third, &snapshot);
    assert!(fourth.keys.get(&KeyHash::of("k")).is_none());
    assert_eq!(shared(&third, &fourth), ["member", "one", "orphan", "two"]);
    assert!(Arc::ptr_eq(&second.models["two"].metrics, &third.models["two"].metrics), "counters go on");
}

#[test]
fn a_team_that_changes_changes_its_keys() {
    let mut snapshot = snapshot();
    let first = next(&Serving::default(), &snapshot);
    snapshot.teams[0].models = vec!["one".to_owned()];
    let second = next(&first, &snapshot);
    assert_eq!(shared(&first, &second), ["k", "one", "orphan", "two"]);
    assert!(!held(&second, "member").allows("two"));
    snapshot.teams.clear();
    let third = next(&second, &snapshot);
    assert!(held(&third, "member").is_blocked(), "a key does not get free of its team's limits");
}

#[test]
fn many_keys_are_given_back_where_nobody_waits() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).build().unwrap();
    let keys = (0..=FEW).map(|n| key(&n.to_string(), None)).collect();
    let serving = next(&Serving::default(), &Snapshot { keys, ..Snapshot::default() });
    let state = Arc::downgrade(held(&serving, "7"));
    let (go_on, waits) = mpsc::channel::<()>();
    runtime.block_on(async {
        let busy = tokio::task::spawn_blocking(move || waits.recv());
        drop(serving);
        assert!(state.upgrade().is_some(), "given back by whoever held it last");
        drop(go_on);
        let _ = busy.await;
        // One thread does one thing after the other.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert!(state.upgrade().is_none());
    });
}
