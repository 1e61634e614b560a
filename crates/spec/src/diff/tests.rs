use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Format, arbitrary::documents, parse};

const BEFORE: &str = r"
version: 1
models:
  - { name: a, type: chat, price: { input: 1 }, deployments: [
      { id: e1, endpoint: { url: 'http://one' } },
      { id: e2, endpoint: { url: 'http://two', rpm: 5 } },
      { endpoint: { url: 'http://three' } } ] }
  - { name: b, type: chat }
  - { name: c, type: chat }
";

fn changes(after: &str) -> Vec<(ItemKind, String, ChangeKind, String)> {
    let [before, after] = [BEFORE, after].map(|text| parse(text, Format::Yaml).unwrap());
    let change = |change: Change| {
        let paths = change.paths().collect::<Vec<_>>().join(" ");
        (change.kind, change.name, change.change, paths)
    };
    diff(&before, &after).into_iter().map(change).collect()
}

fn expect(kind: ItemKind, name: &str, change: ChangeKind, fields: &str) -> (ItemKind, String, ChangeKind, String) {
    (kind, name.to_owned(), change, fields.to_owned())
}

#[test]
fn new_changed_and_deleted_models_and_settings() {
    let after = BEFORE
        .replace("name: b, type: chat", "name: n, type: rerank")
        .replace("name: c, type: chat", "name: c, type: vision, open_access: true")
        + "\nrouting: { retries: 1, timeouts: { total: 9 } }\nledger: { on_full: serve }";
    let expected = [
        expect(ItemKind::MODEL, "n", ChangeKind::New, ""),
        expect(ItemKind::MODEL, "c", ChangeKind::Changed, "type open_access"),
        expect(ItemKind::SETTINGS, "routing", ChangeKind::Changed, "retries timeouts.total"),
        expect(ItemKind::SETTINGS, "ledger", ChangeKind::Changed, "on_full"),
        expect(ItemKind::MODEL, "b", ChangeKind::Deleted, ""),
    ];
    assert_eq!(changes(&after), expected);
}

#[test]
fn deployments_are_compared_by_id() {
    let after = BEFORE
        .replace("{ id: e1, endpoint: { url: 'http://one' } },", "{ id: e9, endpoint: { url: 'http://nine' } },")
        .replace("rpm: 5", "weight: 3")
        .replace("http://three", "http://tres");
    let fields = "deployments[e1] deployments[e2].endpoint.weight deployments[e2].endpoint.rpm \
                  deployments[2].endpoint.url deployments[e9]";
    assert_eq!(changes(&after), [expect(ItemKind::MODEL, "a", ChangeKind::Changed, fields)]);
}

#[test]
fn order_is_no_change() {
    let after = r"
version: 1
models:
  - { name: c, type: chat }
  - { name: b, type: chat }
  - { name: a, type: chat, price: { input: 1 }, deployments: [
      { id: e2, endpoint: { url: 'http://two', rpm: 5 } },
      { id: e1, endpoint: { url: 'http://one' } },
      { endpoint: { url: 'http://three' } } ] }
";
    assert_eq!(changes(after), []);
}

#[test]
fn a_difference_says_from_what_to_what() {
    let [before, after] =
        [BEFORE, &BEFORE.replace("rpm: 5", "weight: 3")].map(|text| parse(text, Format::Yaml).unwrap());
    let fields = diff(&before, &after).remove(0).fields;
    let shown: Vec<_> = fields.into_iter().map(|f| (f.path, f.old, f.new)).collect();
    let weight = ("deployments[e2].endpoint.weight".to_owned(), Some(json!(1)), Some(json!(3)));
    let rpm = ("deployments[e2].endpoint.rpm".to_owned(), Some(json!(5)), None);
    assert_eq!(shown, [weight, rpm]);
}

proptest! {
    #[test]
    fn equal_documents_have_no_changes_and_new_mirrors_deleted(a in documents(), b in documents()) {
        prop_assert_eq!(diff(&a, &a), []);
        let names = |changes: Vec<Change>, kind| -> Vec<_> {
            let mut names: Vec<_> = changes.into_iter().filter(|c| c.change == kind).map(|c| (c.kind, c.name)).collect();
            names.sort();
            names
        };
        for (there, back) in [(ChangeKind::New, ChangeKind::Deleted), (ChangeKind::Changed, ChangeKind::Changed)] {
            prop_assert_eq!(names(diff(&a, &b), there), names(diff(&b, &a), back));
        }
    }
}
