use std::collections::HashMap;
use std::time::Duration;

use ambient::Timestamp;
use ledger::{GatewayId, Position, Price};
use snapshot::{Booked, KeyKind, KeyRouting, OnFull, SpentBefore, Strategy, Timeouts};
use spec::{Format, parse};
use store::{ModelRow, RowLimits, Spending};

use super::*;

const DOCUMENT: &str = "
version: 1
models:
  - name: org/tiny
    type: chat
    price: { input: 0.1, output: 0.4, request: 0.000001 }
    strategy: simple-shuffle
    deployments:
      - id: remote
        endpoint: { url: 'https://api.example.com/v1', model: gpt, credential: os.environ/TOKEN, weight: 3, rpm: 60 }
        timeouts: { first_byte: 7 }
      - id: engine
        engine:
          { source: ./m, runtime: process, command: [serve, '{port}'], replicas: 3, max_model_len: 4096 }
  - name: idle
    type: embedding
    deployments:
      - id: down
        engine: { source: ./m, runtime: process, command: [serve, '{port}'] }
routing: { retries: 5, cooldown_seconds: 1.5, timeouts: { connect: 0.25, total: 60 } }
ledger: { on_full: serve }
requests: { max_body_bytes: 2048 }
";

fn current() -> Current {
    let document = parse(DOCUMENT, Format::Yaml).unwrap();
    let row = |name: &str, second: i64, price_version| ModelRow {
        name: name.into(),
        created_at: Timestamp::from_micros(second * 1_000_000),
        price_version,
    };
    let revision = store::Revision {
        summary: store::RevisionSummary {
            number: 7,
            applied_at: Timestamp::from_micros(0),
            author: "owner".into(),
            digest: "d".into(),
            message: String::new(),
        },
        document: serde_json::to_string(&document).unwrap(),
    };
    Current::from_store(revision, vec![row("org/tiny", 5, 3), row("idle", 6, 7)]).unwrap()
}

fn spent() -> Spent {
    let at = Booked { gateway: GatewayId(7), position: Position { segment: 2, offset: 99 } };
    let spending = |key, model, all| Spending {
        keys: HashMap::from([("k".to_owned(), Nanos(key))]),
        teams: HashMap::from([("t".to_owned(), Nanos(key))]),
        models: HashMap::from([("org/tiny".to_owned(), Nanos(model))]),
        all: Nanos(all),
    };
    // Of 9 of the key, 2 today.
    let since = HashMap::from([(Timestamp::from_micros(0), spending(2, 3, 4))]);
    Spent { ever: spending(9, 10, 11), since, booked: vec![at] }
}

fn compiled(env: &Environment, ready: &BTreeMap<String, Address>) -> Compiled {
    let spent = spent();
    let current = current();
    let now = Timestamp::from_micros(5);
    let inputs = Inputs {
        current: &current,
        ready,
        keys: &[],
        teams: &[],
        spent: &spent,
        open_routes: true,
        master_key: None,
        now,
        env,
    };
    compile(&inputs)
}

#[test]
fn a_document_becomes_what_the_gateway_needs() {
    let env = Environment::new(|name| (name == "TOKEN").then(|| "secret".to_owned()));
    let address = Address::Http("127.0.0.1:9001".into());
    let ready = BTreeMap::from([("engine/1".to_owned(), address.clone()), ("other/0".to_owned(), address.clone())]);
    let Compiled { snapshot, warnings } = compiled(&env, &ready);
    assert_eq!(warnings, []);
    assert_eq!((snapshot.revision, snapshot.models.len()), (7, 2));

    let tiny = &snapshot.models[0];
    assert_eq!((&*tiny.name, tiny.created, tiny.context_length), ("org/tiny", 5, Some(4096)));
    assert_eq!(tiny.strategy, Strategy::SimpleShuffle);
    let price = Price {
        version: 3,
        input: 100_000_000,
        cached_input: 100_000_000,
        output: 400_000_000,
        request: 1_000,
        ..Price::default()
    };
    assert_eq!(tiny.price, price);

    let [remote, engine] = &tiny.deployments[..] else { panic!("{:?}", tiny.deployments) };
    assert_eq!((&*remote.upstream_model, remote.weight, remote.rpm), ("gpt", 3, Some(60)));
    assert_eq!(remote.credential.as_ref().unwrap().expose(), "secret");
    assert_eq!(remote.health_path, None);
    assert_eq!(remote.replicas[0].address, Address::Https("api.example.com:443".into()));
    let Timeouts { connect, first_byte, .. } = remote.timeouts;
    assert_eq!((connect, first_byte), (Duration::from_millis(250), Duration::from_secs(7)), "its own goes first");
    assert_eq!(engine.timeouts.first_byte, Duration::from_secs(600));
    assert_eq!((&*engine.upstream_model, engine.health_path.as_deref()), ("org/tiny", Some("/health")));
    let replicas: Vec<_> = engine.replicas.iter().map(|r| (&*r.id, &r.address, r.base_path.as_str())).collect();
    assert_eq!(replicas, [("engine/1", &address, "/v1")], "only the replica that is ready");

    assert_eq!(snapshot.models[1].deployments, [], "known, with nothing up");
    let Settings { retries, cooldown, on_full, max_body_bytes, max_buffered_bytes, .. } = snapshot.settings;
    assert_eq!((max_body_bytes, max_buffered_bytes), (2_048, 512 << 20));
    assert_eq!((retries, cooldown, on_full), (5, Duration::from_millis(1500), OnFull::Serve));
}

#[test]
fn an_unset_variable_is_a_warning_and_the_deployment_is_left_out() {
    let env = Environment::new(|_| None);
    let Compiled { snapshot, warnings } = compiled(&env, &BTreeMap::new());
    assert_eq!(snapshot.models[0].deployments, []);
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(warning.path, "models[0].deployments[0]");
    assert!(warning.message.contains("TOKEN is not set"), "{}", warning.message);
    assert_eq!(super::warnings(&current().document, &env), warnings);
}

#[test]
fn keys_come_with_what_they_spent_and_deleted_ones_do_not_come() {
    let key = |id: &str, deleted: bool| KeyRow {
        id: id.into(),
        hash: KeyHash::of(id),
        key_name: "sk-...".into(),
        alias: None,
        models: vec!["org/tiny".into()],
        kind: KeyKind::Direct,
        aliases: BTreeMap::new(),
        limits: RowLimits {
            rpm: Some(3),
            max_budget: Some(Nanos(5)),
            budget_period: Some("1d".parse().unwrap()),
            ..RowLimits::default()
        },
        owner: None,
        team: Some("t".into()),
        tags: Vec::new(),
        retries: Some(1),
        routing: KeyRouting { disable_fallbacks: true, ..KeyRouting::default() },
        expires_at: None,
        blocked: true,
        metadata: serde_json::Map::new(),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        deleted_at: deleted.then(Timestamp::default),
    };
    let keys = [key("k", false), key("gone", true)];
    let (current, ready, env) = (current(), BTreeMap::new(), Environment::new(|_| None));
    let spent = spent();
    let inputs = Inputs {
        current: &current,
        ready: &ready,
        keys: &keys,
        teams: &[],
        spent: &spent,
        open_routes: true,
        master_key: None,
        now: Timestamp::from_micros(5),
        env: &env,
    };
    let snapshot = compile(&inputs).snapshot;
    assert_eq!(snapshot.booked(GatewayId(7)), Position { segment: 2, offset: 99 });
    assert_eq!(snapshot.booked(GatewayId(8)), Position::default(), "of a gateway unknown so far, nothing is included");
    let [compiled] = &snapshot.keys[..] else { panic!() };
    assert_eq!(
        (&*compiled.id, compiled.spent.total, compiled.limits.rpm, compiled.blocked),
        ("k", Nanos(9), Some(3), true)
    );
    assert_eq!((compiled.hash, compiled.limits.max_budget), (KeyHash::of("k"), Some(Nanos(5))));
    let before = SpentBefore { run: Timestamp::default(), nanos: Nanos(7) };
    assert_eq!(compiled.spent.before, Some(before), "2 of 9 were spent since midnight");
    assert_eq!((compiled.kind, compiled.team.as_deref(), compiled.retries), (KeyKind::Direct, Some("t"), Some(1)));
    assert!(compiled.routing.as_ref().is_some_and(|routing| routing.disable_fallbacks));
    assert_eq!((snapshot.models[0].spent.total, snapshot.spent.total), (Nanos(10), Nanos(11)));
}
