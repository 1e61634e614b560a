use proptest::prelude::*;

use super::*;
use crate::{Format, arbitrary::documents, parse};

/// Endpoints by url, or engines by source if the word begins with `@`; `id=word` has an id.
fn document(models: &[(&str, &[&str])]) -> Document {
    let deployment = |word: &&str| {
        let (id, word) = word.split_once('=').map_or((String::new(), *word), |(id, word)| (format!("id: {id},"), word));
        match word.strip_prefix('@') {
            Some(source) => format!("{{ {id} engine: {{ source: {source} }} }}"),
            None => format!("{{ {id} endpoint: {{ url: {word} }} }}"),
        }
    };
    let model = |(name, words): &(&str, &[&str])| {
        let deployments: Vec<_> = words.iter().map(deployment).collect();
        format!("{{ name: {name}, type: chat, deployments: [{}] }}", deployments.join(", "))
    };
    let models: Vec<_> = models.iter().map(model).collect();
    parse(&format!("version: 1\nmodels: [{}]", models.join(", ")), Format::Yaml).unwrap()
}

/// The ids after assigning; new ones are `n1`, `n2` and so on.
fn assigned(mut document: Document, previous: Option<&Document>) -> Vec<String> {
    let mut count = 0;
    document.assign_ids(previous, &mut || {
        count += 1;
        format!("n{count}")
    });
    document.ids().map(str::to_owned).collect()
}

#[test]
fn new_deployments_get_fresh_ids_and_given_ones_stay() {
    assert_eq!(assigned(document(&[("a", &["x", "mine=y"]), ("b", &["x"])]), None), ["n1", "mine", "n2"]);
}

#[test]
fn the_same_target_keeps_its_id_wherever_it_stands() {
    let before = document(&[("a", &["i=x", "j=@y", "k=z"])]);
    assert_eq!(assigned(document(&[("a", &["new", "z", "@y", "x"])]), Some(&before)), ["n1", "k", "j", "i"]);
}

#[test]
fn an_edited_target_keeps_the_id_of_its_position_and_kind() {
    let before = document(&[("a", &["i=x", "j=@y"])]);
    assert_eq!(assigned(document(&[("a", &["edited", "@edited"])]), Some(&before)), ["i", "j"]);
    assert_eq!(assigned(document(&[("a", &["@x", "y"])]), Some(&before)), ["n1", "n2"]);
}

#[test]
fn equal_targets_keep_their_order_and_other_models_lend_nothing() {
    let before = document(&[("a", &["i=x", "j=x"]), ("b", &["k=x"])]);
    assert_eq!(assigned(document(&[("a", &["x", "x", "x"]), ("c", &["x"])]), Some(&before)), ["i", "j", "n1", "n2"]);
}

#[test]
fn an_id_given_explicitly_is_inherited_by_nobody_else() {
    let before = document(&[("a", &["i=x", "j=y"])]);
    assert_eq!(assigned(document(&[("a", &["x", "i=y"])]), Some(&before)), ["n1", "i"]);
}

#[test]
fn fresh_ids_that_are_taken_get_a_number() {
    let before = document(&[("a", &["n1=gone"])]);
    let mut after = document(&[("b", &["x", "y", "same-2=z"])]);
    after.assign_ids(Some(&before), &mut || "same".to_owned());
    assert_eq!(after.ids().collect::<Vec<_>>(), ["same", "same-3", "same-2"]);
    // n1 stands in the books for a deployment that is gone.
    assert_eq!(assigned(document(&[("b", &["x"])]), Some(&before)), ["n1-2"]);
}

proptest! {
    #[test]
    fn everyone_has_an_id_and_a_second_time_changes_nothing(
        mut document in documents(),
        previous in proptest::option::of(documents()),
    ) {
        let explicit = document.ids().count();
        let distinct_explicit = document.ids().collect::<HashSet<_>>().len();
        document.assign_ids(previous.as_ref(), &mut || "f".to_owned());
        let all = document.models.iter().map(|model| model.deployments.len()).sum::<usize>();
        prop_assert_eq!(document.ids().count(), all);
        prop_assert_eq!(document.ids().collect::<HashSet<_>>().len(), all - explicit + distinct_explicit);
        let before = document.clone();
        document.assign_ids(Some(&before), &mut || unreachable!("all have one"));
        prop_assert_eq!(document, before);
    }
}
