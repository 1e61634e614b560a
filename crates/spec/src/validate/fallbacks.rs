use std::collections::HashSet;

use crate::{Document, Fallbacks, Model, fault::Scope, limits, quote::Quoted};

/// Stands for every model that has no fallbacks of its own.
pub(crate) const EVERY: &str = "*";

/// Which models take over from which. That they are there is checked with all other references.
pub(super) fn check(here: &mut Scope<'_>, document: &Document) {
    let routing = &document.routing;
    let all = [
        ("fallbacks", &routing.fallbacks),
        ("context_window_fallbacks", &routing.context_window_fallbacks),
        ("content_policy_fallbacks", &routing.content_policy_fallbacks),
    ];
    for (field, fallbacks) in all {
        check_map(&mut here.field(field), document, fallbacks);
    }
    check_list(&mut here.field("default_fallbacks"), &routing.default_fallbacks);
    if !routing.default_fallbacks.is_empty() && routing.fallbacks.contains_key(EVERY) {
        here.field("default_fallbacks").fault("default_fallbacks and `*` in fallbacks say the same; give one of them");
    }
    if routing.max_fallbacks > limits::MAX_FALLBACKS {
        let (given, most) = (routing.max_fallbacks, limits::MAX_FALLBACKS);
        here.field("max_fallbacks").fault(format!("max_fallbacks is {given}; give 0 to {most}"));
    }
}

fn check_map(here: &mut Scope<'_>, document: &Document, fallbacks: &Fallbacks) {
    for (name, list) in fallbacks {
        let mut here = here.field(name);
        check_list(&mut here, list);
        for (index, other) in list.iter().enumerate() {
            let mut here = here.element(index);
            if other == name {
                here.fault(format!("a model cannot take over from itself; take {} out", Quoted(name)));
            }
            if let (Some(model), Some(other)) = (find(document, name), find(document, other))
                && !model.model_type.is_alike(other.model_type)
            {
                here.fault(format!(
                    "{} is of type {} and cannot answer for {}, which is of type {}",
                    Quoted(&other.name),
                    other.model_type,
                    Quoted(name),
                    model.model_type
                ));
            }
        }
    }
}

fn check_list(here: &mut Scope<'_>, list: &[String]) {
    if list.len() > limits::MAX_FALLBACKS as usize {
        here.fault(format!("{} models are named; name at most {}", list.len(), limits::MAX_FALLBACKS));
    }
    let mut seen = HashSet::new();
    for (index, name) in list.iter().enumerate() {
        if !seen.insert(name) {
            here.element(index).fault(format!("{} stands there twice; each is asked once", Quoted(name)));
        }
    }
}

fn find<'d>(document: &'d Document, name: &str) -> Option<&'d Model> {
    document.models.iter().find(|model| model.name == name)
}
