//! Snapshots for tests.

use ledger::{GatewayId, Nanos, Position, Price};
use spec::{ModelType, Strategy};

use crate::{
    Address, Alias, Booked, CausePolicy, Deployment, Fallbacks, Key, KeyHash, KeyKind, KeyRouting, Limits, Model,
    Replica, Secret, Settings, Snapshot, Team, Timeouts,
};

/// With `count` models and as many keys, and a value in every field.
pub(crate) fn snapshot(count: usize) -> Snapshot {
    Snapshot {
        manager: 0xffff_ffff_ffff_fffe,
        epoch: 4,
        revision: 3,
        models: (0..count).map(|n| model(&format!("model-{n}"))).collect(),
        aliases: [("gpt".into(), Alias { model: "model-0".into(), hidden: true })].into(),
        keys: (0..count).map(|n| key(&format!("key-{n}"))).collect(),
        teams: (0..count).map(|n| team(&format!("team-{n}"))).collect(),
        spent: Nanos(-3).into(),
        open_routes: true,
        master_key: Some(KeyHash::of("master")),
        settings: Settings::default(),
        limits: Limits::default(),
        booked: vec![Booked { gateway: GatewayId(u64::MAX >> 1), position: Position { segment: 3, offset: 1 << 40 } }],
    }
}

pub(crate) fn model(name: &str) -> Model {
    let replica =
        |n: usize, address| Replica { id: format!("{name}/{n}").into(), address, base_path: "/v1".to_owned() };
    let addresses =
        [Address::Http("127.0.0.1:1".into()), Address::Https("h:443".into()), Address::Unix("/run/x".into())];
    Model {
        name: name.into(),
        model_type: ModelType::Chat,
        price: Price { version: 7, input: 1, ..Price::default() },
        limits: Limits { tpm: Some(9), ..Limits::default() },
        spent: Nanos(8).into(),
        context_length: Some(4_096),
        strategy: Strategy::LeastBusy,
        fallbacks: Fallbacks { general: vec!["model-1".into()], ..Fallbacks::default() },
        retries: Some(1),
        retry_policy: CausePolicy { timeout: Some(2), ..CausePolicy::default() },
        created: 5,
        open_access: true,
        deployments: vec![Deployment {
            id: format!("d-{name}").into(),
            upstream_model: "up".into(),
            weight: 1,
            credential: Some(Secret::new("sk-credential")),
            health_path: Some("/health".into()),
            rpm: None,
            tpm: Some(3),
            order: 1,
            max_input_tokens: Some(7),
            cost: Some(9),
            timeouts: Timeouts::default(),
            replicas: addresses.into_iter().enumerate().map(|(n, address)| replica(n, address)).collect(),
        }],
    }
}

pub(crate) fn key(id: &str) -> Key {
    Key {
        id: id.into(),
        hash: KeyHash::of(id),
        kind: KeyKind::Virtual,
        alias: Some(format!("alias of {id}")),
        models: vec!["model-0".into()],
        limits: Limits { rpm: Some(1), ..Limits::default() },
        aliases: [("a".to_owned(), "b".to_owned())].into(),
        team: Some("team-0".into()),
        retries: Some(2),
        routing: Some(Box::new(KeyRouting { disable_fallbacks: true, ..KeyRouting::default() })),
        spent: Nanos(i64::MAX).into(),
        expires_at: None,
        blocked: false,
    }
}

pub(crate) fn team(id: &str) -> Team {
    Team {
        id: id.into(),
        alias: None,
        models: Vec::new(),
        limits: Limits::default(),
        spent: Nanos(5).into(),
        blocked: true,
    }
}
