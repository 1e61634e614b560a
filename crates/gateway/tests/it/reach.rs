//! No request reaches a model that the key is not told to reach, whatever it asks for and whatever fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use ambient::Rng;
use snapshot::{Alias, Fallbacks, Key, KeyRouting, Model, ModelType, Snapshot, Team};

use crate::support::{Engine, KEY, TestGateway, deployment, key, model};

/// Names of models, and names that are none.
const MODELS: [&str; 5] = ["a", "b", "c", "d", "e"];
const OTHERS: [&str; 4] = ["w", "x", "y", "nobody"];

/// Any of `names`, at most `most`.
fn some(rng: &Rng, names: &[&str], most: u64) -> Vec<Arc<str>> {
    (0..rng.below(most + 1)).map(|_| any(rng, names).into()).collect()
}

fn any<'n>(rng: &Rng, names: &[&'n str]) -> &'n str {
    names[usize::try_from(rng.below(names.len() as u64)).unwrap()]
}

fn strings(names: &[Arc<str>]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Any fallbacks, aliases, allow-lists of a key and its team, and settings of the key.
fn scramble(rng: &Rng, engine: &Engine, snapshot: &mut Snapshot) {
    let of = |name: &str| Model {
        model_type: if rng.below(4) == 0 { ModelType::Embedding } else { ModelType::Chat },
        fallbacks: Fallbacks {
            general: some(rng, &MODELS, 3),
            context_window: some(rng, &MODELS, 2),
            content_policy: some(rng, &MODELS, 2),
        },
        ..model(name, vec![deployment(&format!("at-{name}"), engine.address)])
    };
    snapshot.models = MODELS.iter().map(|name| of(name)).collect();
    snapshot.settings.retries = 0;
    snapshot.settings.allowed_fails = 1_000;
    let aliases = some(rng, &OTHERS, 3);
    snapshot.aliases = aliases
        .into_iter()
        .map(|alias| (alias, Alias { model: any(rng, &MODELS).into(), hidden: rng.below(2) == 0 }))
        .collect();
    let names = [&MODELS[..], &OTHERS].concat();
    let own = some(rng, &names, 3);
    snapshot.keys = vec![Key {
        models: strings(&some(rng, &MODELS, 3)),
        aliases: own.iter().map(|alias| (alias.to_string(), any(rng, &names).to_owned())).collect(),
        team: (rng.below(2) == 0).then(|| "t".into()),
        routing: (rng.below(3) == 0).then(|| {
            let fallbacks = some(rng, &MODELS, 2).into_iter().map(|name| (name, some(rng, &MODELS, 3)));
            Box::new(KeyRouting {
                fallbacks: fallbacks.collect(),
                disable_fallbacks: rng.below(4) == 0,
                strategy: None,
            })
        }),
        ..key("k1", KEY)
    }];
    snapshot.teams = vec![Team {
        id: "t".into(),
        alias: None,
        models: strings(&some(rng, &MODELS, 4)),
        limits: snapshot::Limits::default(),
        spent: snapshot::Spent::default(),
        blocked: false,
    }];
}

#[tokio::test]
async fn no_request_reaches_what_its_key_is_not_told_to_reach() {
    let engine = Engine::chat(1, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let rng = Rng::seeded(7);
    let (mut reached, mut passed_on, mut seen) = (0, 0, 0);
    for round in 0..200 {
        let mut snapshot = gateway.snapshot.clone();
        scramble(&rng, &engine, &mut snapshot);
        let told: BTreeSet<String> =
            snapshot.reach(&snapshot.keys[0]).iter().map(|reach| reach.model.to_string()).collect();
        gateway.publish(|published| *published = snapshot.clone()).await;
        for name in [&MODELS[..], &OTHERS].concat() {
            engine.fail(any(&rng, &["status:500", "context-window", "content-policy"])).await;
            let body = format!(r#"{{"model":"{name}","messages":[{{"role":"user","content":"x"}}]}}"#);
            gateway.post("/v1/chat/completions", &body).await;
        }
        gateway.settled().await;
        let events = gateway.events().await;
        for event in &events[seen..] {
            let tried: Vec<_> =
                event.attempts.iter().map(|attempt| attempt.deployment.trim_start_matches("at-")).collect();
            for model in &tried {
                assert!(told.contains(*model), "round {round}: {model} was reached, of {told:?}: {snapshot:?}");
            }
            reached += tried.len();
            passed_on += tried.len().saturating_sub(1);
        }
        seen = events.len();
    }
    assert!(reached > 300 && passed_on > 70, "{reached} tries, {passed_on} of them at other models: too few");
}
