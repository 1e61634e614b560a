use std::collections::BTreeMap;
use std::sync::Arc;

use snapshot::{Alias, Fallbacks};
use spec::{Document, Routing};

/// Stands for every model that has none of its own.
const EVERY: &str = "*";

/// The models that take over from `model`. Who has no fallbacks of its own for a cause has those of `*`; and where no model has
/// any for a special cause, the general ones hold for it.
pub(super) fn compile(routing: &Routing, model: &str) -> Fallbacks {
    let defaults = (!routing.default_fallbacks.is_empty()).then_some(&routing.default_fallbacks);
    let general = own(&routing.fallbacks, model).or(defaults);
    let others = |list: Option<&Vec<String>>| -> Vec<Arc<str>> {
        let names = list.into_iter().flatten().filter(|name| *name != model);
        names.map(|name| name.as_str().into()).collect()
    };
    Fallbacks {
        general: others(general),
        context_window: others(special(&routing.context_window_fallbacks, model, general)),
        content_policy: others(special(&routing.content_policy_fallbacks, model, general)),
    }
}

/// Other names for models, each with the model that it leads to in the end.
pub(super) fn aliases(document: &Document) -> BTreeMap<Arc<str>, Alias> {
    let aliases = &document.aliases;
    let lead = |name: &str| {
        let mut model = aliases.get(name)?.model();
        // Validation has seen to it that they do not lead in a circle.
        for _ in 0..aliases.len() {
            match aliases.get(model) {
                Some(next) => model = next.model(),
                None => break,
            }
        }
        Some(model)
    };
    let compiled = aliases.iter().filter_map(|(name, alias)| {
        Some((name.as_str().into(), Alias { model: lead(name)?.into(), hidden: alias.is_hidden() }))
    });
    compiled.collect()
}

fn special<'r>(
    fallbacks: &'r spec::Fallbacks,
    model: &str,
    general: Option<&'r Vec<String>>,
) -> Option<&'r Vec<String>> {
    if fallbacks.is_empty() { general } else { own(fallbacks, model) }
}

fn own<'r>(fallbacks: &'r spec::Fallbacks, model: &str) -> Option<&'r Vec<String>> {
    fallbacks.get(model).or_else(|| fallbacks.get(EVERY))
}

#[cfg(test)]
mod tests {
    use spec::{Format, parse};

    use super::*;

    fn routing(text: &str) -> Routing {
        parse(&format!("version: 1\nrouting: {{ {text} }}"), Format::Yaml).unwrap().routing
    }

    fn names(list: &[Arc<str>]) -> Vec<&str> {
        list.iter().map(|name| &**name).collect()
    }

    #[test]
    fn special_causes_have_general_fallbacks_only_where_no_model_has_special_ones() {
        let of = compile(&routing("fallbacks: { a: [b, c] }"), "a");
        assert_eq!((names(&of.general), names(&of.context_window)), (vec!["b", "c"], vec!["b", "c"]));
        let special = routing("fallbacks: { a: [b] }, context_window_fallbacks: { z: [c] }");
        let of = compile(&special, "a");
        assert_eq!((names(&of.context_window), names(&of.content_policy)), (vec![], vec!["b"]));
        assert_eq!(names(&compile(&special, "z").context_window), ["c"]);
        assert!(compile(&special, "other").is_empty());
    }

    #[test]
    fn the_default_holds_for_all_but_those_who_have_their_own() {
        let defaults = routing("fallbacks: { a: [b] }, default_fallbacks: [d, e]");
        assert_eq!(names(&compile(&defaults, "a").general), ["b"]);
        assert_eq!(names(&compile(&defaults, "x").general), ["d", "e"]);
        assert_eq!(names(&compile(&defaults, "d").general), ["e"], "not to itself");
    }

    #[test]
    fn aliases_lead_to_a_model() {
        let text = "version: 1\naliases: { p: q, q: { model: m, hidden: true } }";
        let aliases = aliases(&parse(text, Format::Yaml).unwrap());
        assert_eq!(aliases["p"], Alias { model: "m".into(), hidden: false });
        assert_eq!(aliases["q"], Alias { model: "m".into(), hidden: true });
    }
}
