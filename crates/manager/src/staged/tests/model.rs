//! Whatever is staged, applied, discarded and rolled back in whatever order: a few maps know what comes of it.

use std::collections::BTreeMap;

use http::header;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::testing::{Client, TestApp};

/// Names of models.
const NAMES: [&str; 3] = ["a", "b", "c"];
/// Who edits: by the control socket, and with the master key.
const AUTHORS: [&str; 2] = ["owner", "master"];

#[derive(Clone, Debug)]
enum Step {
    /// Stage a model with this price, or its deletion.
    Stage {
        author: usize,
        name: usize,
        price: Option<u32>,
        seen: Seen,
    },
    Apply(Which),
    Discard(Which),
    /// A whole document with these prices.
    Document([Option<u32>; 3]),
    /// Apply again what applied at some time.
    RollBack(usize),
    /// Stage what leads back there.
    StageRevision(usize),
    Restart,
}

#[derive(Clone, Debug)]
enum Seen {
    Now,
    /// What was seen when the item was edited first.
    Early,
    Nothing,
}

#[derive(Clone, Debug)]
enum Which {
    All,
    Author(usize),
    Item(usize),
}

/// The simple idea of it all.
#[derive(Clone, Debug, Default)]
struct Reference {
    applied: BTreeMap<&'static str, u32>,
    staged: BTreeMap<&'static str, Edit>,
    /// What applied, from before the first revision on.
    history: Vec<BTreeMap<&'static str, u32>>,
    edits: u64,
}

#[derive(Clone, Debug)]
struct Edit {
    price: Option<u32>,
    base: Option<u32>,
    author: &'static str,
    number: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which =
        || prop_oneof![Just(Which::All), (0..2_usize).prop_map(Which::Author), (0..3_usize).prop_map(Which::Item)];
    let seen = prop_oneof![4 => Just(Seen::Now), 1 => Just(Seen::Early), 1 => Just(Seen::Nothing)];
    let price = || prop::option::weighted(0.8, 1..4_u32);
    let stage = (0..2_usize, 0..3_usize, price(), seen).prop_map(|(author, name, price, seen)| Step::Stage {
        author,
        name,
        price,
        seen,
    });
    let step = prop_oneof![
        8 => stage,
        2 => which().prop_map(Step::Apply),
        1 => which().prop_map(Step::Discard),
        1 => [price(), price(), price()].prop_map(Step::Document),
        1 => (0..9_usize).prop_map(Step::RollBack),
        1 => (0..9_usize).prop_map(Step::StageRevision),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..30)
}

// === impl Reference ===

impl Reference {
    /// What tells one state of an item from another.
    fn state(&self, name: &str) -> (u64, Option<u32>) {
        (self.staged.get(name).map_or(0, |edit| edit.number), self.applied.get(name).copied())
    }

    fn put(&mut self, name: &'static str, author: &'static str, price: Option<u32>) {
        let base = self.applied.get(name).copied();
        self.edits += 1;
        if price == base {
            self.staged.remove(name);
        } else {
            self.staged.insert(name, Edit { price, base, author, number: self.edits });
        }
    }

    fn selected(&self, which: &Which) -> Vec<&'static str> {
        let is_meant = |(name, edit): &(&&'static str, &Edit)| match which {
            Which::All => true,
            Which::Author(author) => edit.author == AUTHORS[*author],
            Which::Item(item) => **name == NAMES[*item],
        };
        self.staged.iter().filter(is_meant).map(|(name, _)| *name).collect()
    }

    fn is_stale(&self, name: &str) -> bool {
        let applied = self.applied.get(name).copied();
        self.staged.get(name).is_some_and(|edit| edit.base != applied && edit.price != applied)
    }

    /// The status of the answer.
    fn apply(&mut self, which: &Which) -> u16 {
        let names = self.selected(which);
        if names.is_empty() && !matches!(which, Which::All) {
            return 404;
        }
        if names.iter().any(|name| self.is_stale(name)) {
            return 412;
        }
        let mut next = self.applied.clone();
        for name in names {
            match self.staged.remove(name).and_then(|edit| edit.price) {
                Some(price) => next.insert(name, price),
                None => next.remove(name),
            };
        }
        self.advance(next);
        200
    }

    fn advance(&mut self, next: BTreeMap<&'static str, u32>) {
        if next != self.applied {
            self.history.push(std::mem::replace(&mut self.applied, next));
        }
    }

    fn revision(&self, number: usize) -> BTreeMap<&'static str, u32> {
        self.history.get(number).unwrap_or(&self.applied).clone()
    }

    fn stage_revision(&mut self, number: usize) -> u16 {
        let target = self.revision(number);
        let differs = |name: &&&str| target.get(**name) != self.applied.get(**name);
        let names: Vec<_> = NAMES.iter().filter(differs).copied().collect();
        if names.iter().any(|name| self.staged.contains_key(name)) {
            return 409;
        }
        for name in names {
            self.put(name, AUTHORS[0], target.get(name).copied());
        }
        200
    }
}

fn model(name: &str, price: u32) -> Value {
    json!({ "name": name, "type": "chat", "price": { "input": price } })
}

fn client(app: &TestApp, author: usize) -> Client {
    if author == 0 { app.owner() } else { app.master() }
}

fn selection(which: &Which) -> Value {
    match which {
        Which::All => json!({ "all": true }),
        Which::Author(author) => json!({ "author": AUTHORS[*author] }),
        Which::Item(item) => json!({ "items": [{ "kind": "model", "name": NAMES[*item] }] }),
    }
}

/// Runs the steps on both.
struct Run {
    app: TestApp,
    reference: Reference,
    /// ETag and state of each item when it was edited first.
    early: BTreeMap<&'static str, (String, (u64, Option<u32>))>,
}

// === impl Run ===

impl Run {
    async fn step(mut self, step: Step) -> Self {
        match step {
            Step::Stage { author, name, price, seen } => self.stage(author, NAMES[name], price, &seen).await,
            Step::Apply(which) => {
                let answer = self.app.owner().post("/api/v1/staged/apply", &selection(&which)).await;
                assert_eq!(answer.status.as_u16(), self.reference.apply(&which), "{which:?} {}", answer.text);
            }
            Step::Discard(which) => {
                let answer = self.app.owner().post("/api/v1/staged/discard", &selection(&which)).await;
                let names = self.reference.selected(&which);
                let status = if names.is_empty() && !matches!(which, Which::All) { 404 } else { 200 };
                assert_eq!(answer.status, status, "{}", answer.text);
                for name in names {
                    self.reference.staged.remove(name);
                }
            }
            Step::Document(prices) => {
                let of = |(name, price): (&&'static str, Option<u32>)| price.map(|price| (*name, price));
                let next: BTreeMap<_, _> = NAMES.iter().zip(prices).filter_map(of).collect();
                let models: Vec<_> = next.iter().map(|(name, price)| model(name, *price)).collect();
                self.app.apply(&json!({ "version": 1, "models": models }).to_string()).await;
                self.reference.advance(next);
            }
            Step::RollBack(number) => {
                let number = number % (self.reference.history.len() + 1);
                self.app.owner().post(&format!("/api/v1/revisions/{number}/rollback"), &json!({})).await.ok();
                let next = self.reference.revision(number);
                self.reference.advance(next);
            }
            Step::StageRevision(number) => {
                let number = number % (self.reference.history.len() + 1);
                let answer = self.app.owner().post(&format!("/api/v1/revisions/{number}/stage"), &json!({})).await;
                assert_eq!(answer.status.as_u16(), self.reference.stage_revision(number), "{}", answer.text);
            }
            Step::Restart => self.app = self.app.end(false).await.open().await,
        }
        self.compare().await;
        self
    }

    async fn stage(&mut self, author: usize, name: &'static str, price: Option<u32>, seen: &Seen) {
        let found = self.app.owner().get(&format!("/api/v1/items/model/{name}")).await;
        let state = self.reference.state(name);
        let exists = state != (0, None);
        assert_eq!(found.status.is_success(), exists);
        if exists {
            let etag = found.body["etag"].as_str().unwrap().to_owned();
            self.early.entry(name).or_insert((etag, state));
        }
        let client = client(&self.app, author);
        let (client, holds) = match (seen, self.early.get(name)) {
            (Seen::Now, _) if exists => {
                (client.with_header(header::IF_MATCH, found.body["etag"].as_str().unwrap()), true)
            }
            (Seen::Early, Some((etag, early))) => (client.with_header(header::IF_MATCH, etag), *early == state),
            _ => (client.with_header(header::IF_NONE_MATCH, "*"), !exists),
        };
        let path = format!("/api/v1/staged/model/{name}");
        let answer = match price {
            Some(price) => client.put(&path, &model(name, price)).await,
            None => client.delete(&path).await,
        };
        match (holds, exists, price) {
            (false, ..) => assert_eq!(answer.status, 412, "{}", answer.text),
            (true, false, None) => assert_eq!(answer.status, 404, "{}", answer.text),
            _ => {
                assert_eq!(answer.status, 200, "{}", answer.text);
                self.reference.put(name, AUTHORS[author], price);
            }
        }
    }

    async fn compare(&self) {
        let items = self.app.owner().get("/api/v1/items").await.ok();
        let models: BTreeMap<_, _> = items
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["kind"] == "model")
            .map(|item| (item["name"].as_str().unwrap(), item))
            .collect();
        let price = |data: &Value| data["price"]["input"].as_f64().map(|price| price.to_string());
        let digits = |price: Option<u32>| price.map(|price| price.to_string());
        for name in NAMES {
            let item = models.get(name).copied().unwrap_or(&Value::Null);
            let edit = self.reference.staged.get(name);
            let applied = self.reference.applied.get(name).copied();
            assert_eq!(price(&item["applied"]), digits(applied), "{name}: {item}");
            assert_eq!(price(&item["data"]), digits(edit.map_or(applied, |edit| edit.price)), "{name}: {item}");
            assert_eq!(item["staged"]["author"].as_str(), edit.map(|edit| edit.author), "{name}: {item}");
            assert_eq!(item["stale"].as_bool().unwrap_or(false), self.reference.is_stale(name), "{name}: {item}");
        }
        assert_eq!(self.app.manager.current().revision, self.reference.history.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_of_any_steps_is_what_a_few_maps_say(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let app = TestApp::on_new_home().open().await;
            let mut run = Run { app, reference: Reference::default(), early: BTreeMap::new() };
            for step in steps {
                run = run.step(step).await;
            }
        });
    }
}
