use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spec::ModelType;

use crate::{Fallbacks, Key, Model, Snapshot};

/// A model that a key can reach, and through what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Public name of the model.
    pub model: Arc<str>,
    /// What it does.
    #[serde(rename = "type")]
    pub model_type: ModelType,
    /// How a request comes there. Never empty.
    pub through: Vec<Way>,
}

/// How a request comes to a model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Way {
    /// By its own name.
    Name {
        /// The name.
        name: Arc<str>,
    },
    /// By another name, which all keys can say.
    Alias {
        /// The name.
        name: Arc<str>,
    },
    /// By another name that is the key's own.
    KeyAlias {
        /// The name.
        name: Arc<str>,
    },
    /// When another model that the key reaches fails.
    Fallback {
        /// That model.
        from: Arc<str>,
        /// For which causes it takes over: `any`, `context_window`, `content_policy`.
        when: When,
    },
}

/// For which causes a model takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Whatever the cause, but for those that have fallbacks of their own.
    Any,
    /// Where the prompt does not fit.
    ContextWindow,
    /// Where the content policy of an engine forbids the request.
    ContentPolicy,
}

// === impl Snapshot ===

impl Snapshot {
    /// All models that requests of `key` can reach, in the order of the document, and through what. The same rules as
    /// those by which the gateway serves, told beforehand: no request of the key reaches any other model.
    pub fn reach(&self, key: &Key) -> Vec<Reach> {
        let mut reached: Vec<(&Model, Vec<Way>)> =
            self.models.iter().filter(|model| self.allows(key, &model.name)).map(|model| (model, Vec::new())).collect();
        for (model, ways) in &mut reached {
            *ways = self.names(key, model);
        }
        add_fallbacks(key, &mut reached);
        let reach = |(model, through): (&Model, Vec<Way>)| Reach {
            model: model.name.clone(),
            model_type: model.model_type,
            through,
        };
        reached.into_iter().filter(|(_, ways)| !ways.is_empty()).map(reach).collect()
    }

    /// The names by which the key means `model`.
    fn names(&self, key: &Key, model: &Model) -> Vec<Way> {
        let leads = |name: &str| self.meant(name) == Some(&*model.name);
        let is_own = |name: &str| key.aliases.contains_key(name);
        let mut ways = Vec::new();
        if !is_own(&model.name) {
            ways.push(Way::Name { name: model.name.clone() });
        }
        let own = key.aliases.iter().filter(|(_, stands_for)| leads(stands_for));
        ways.extend(own.map(|(name, _)| Way::KeyAlias { name: name.as_str().into() }));
        let everybody_s = self.aliases.keys().filter(|name| !is_own(name) && leads(name));
        ways.extend(everybody_s.map(|name| Way::Alias { name: name.clone() }));
        ways
    }

    /// The model that a name means, whoever says it.
    fn meant<'s>(&'s self, name: &'s str) -> Option<&'s str> {
        let named = |name: &str| self.models.iter().find(|model| *model.name == *name).map(|model| &*model.name);
        named(name).or_else(|| named(&self.aliases.get(name)?.model))
    }

    fn allows(&self, key: &Key, model: &str) -> bool {
        let allows = |models: &[String]| models.is_empty() || models.iter().any(|allowed| allowed == model);
        let team = key.team.as_ref().map(|id| self.teams.iter().find(|team| team.id == *id));
        // A key whose team is missing reaches nothing.
        allows(&key.models) && team.is_none_or(|team| team.is_some_and(|team| allows(&team.models)))
    }
}

/// Adds what takes over from models that are reached, until that leads nowhere new.
fn add_fallbacks(key: &Key, reached: &mut [(&Model, Vec<Way>)]) {
    loop {
        let mut found = Vec::new();
        for (from, _) in reached.iter().filter(|(_, ways)| !ways.is_empty()) {
            for (other, when) in others(key, from) {
                let way = Way::Fallback { from: from.name.clone(), when };
                let fits = |(model, ways): &(&Model, Vec<Way>)| {
                    *model.name == **other && model.model_type.is_alike(from.model_type) && !ways.contains(&way)
                };
                if let Some(at) = reached.iter().position(fits).filter(|_| **other != *from.name) {
                    found.push((at, way));
                }
            }
        }
        if found.is_empty() {
            return;
        }
        for (at, way) in found {
            if !reached[at].1.contains(&way) {
                reached[at].1.push(way);
            }
        }
    }
}

/// What takes over from `model` for the key, and when.
fn others<'a>(key: &'a Key, model: &'a Model) -> Vec<(&'a Arc<str>, When)> {
    let all = |list: &'a [Arc<str>], when: When| list.iter().map(move |name| (name, when));
    match key.routing.as_deref() {
        Some(routing) if routing.disable_fallbacks => Vec::new(),
        Some(routing) if routing.fallbacks.contains_key(&model.name) => {
            all(&routing.fallbacks[&model.name], When::Any).collect()
        }
        _ => {
            let Fallbacks { general, context_window, content_policy } = &model.fallbacks;
            let special = |list: &'a [Arc<str>], when| {
                // Where they are the general ones, that is said already.
                all(list, when).filter(move |(name, _)| list != general || !general.contains(name))
            };
            let special =
                special(context_window, When::ContextWindow).chain(special(content_policy, When::ContentPolicy));
            all(general, When::Any).chain(special).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{key, model, team};
    use crate::{Alias, KeyRouting};

    fn snapshot() -> Snapshot {
        let with = |name: &str, general: &[&str], context: &[&str]| Model {
            fallbacks: Fallbacks {
                general: general.iter().map(|name| (*name).into()).collect(),
                context_window: context.iter().map(|name| (*name).into()).collect(),
                content_policy: Vec::new(),
            },
            ..model(name)
        };
        Snapshot {
            models: vec![
                with("a", &["b", "secret"], &["c"]),
                with("b", &["c"], &[]),
                with("c", &[], &[]),
                model("secret"),
            ],
            aliases: [("gpt".into(), Alias { model: "a".into(), hidden: true })].into(),
            teams: vec![team("team-0")],
            ..Snapshot::default()
        }
    }

    fn allowed(models: &[&str]) -> Key {
        let models = models.iter().map(|name| (*name).to_owned()).collect();
        Key { models, aliases: [("mine".to_owned(), "gpt".to_owned())].into(), routing: None, ..key("k") }
    }

    fn told(key: &Key) -> Vec<(String, String)> {
        let ways = |reach: &Reach| format!("{:?}", reach.through);
        snapshot().reach(key).iter().map(|reach| (reach.model.to_string(), ways(reach))).collect()
    }

    #[test]
    fn names_aliases_and_fallbacks_lead_to_allowed_models_alone() {
        let told = told(&allowed(&["a", "c"]));
        let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "c"], "neither b, which is not allowed, nor what only b leads to by itself");
        for way in ["Name", "KeyAlias { name: \"mine\" }", "Alias { name: \"gpt\" }"] {
            assert!(told[0].1.contains(way), "{way}: {told:?}");
        }
        assert!(told[1].1.contains("Fallback { from: \"a\", when: ContextWindow }"), "{told:?}");
        assert!(!told[1].1.contains("from: \"b\""), "{told:?}");
    }

    #[test]
    fn what_a_key_calls_otherwise_it_does_not_reach_by_name() {
        let key = Key { aliases: [("c".to_owned(), "a".to_owned())].into(), ..allowed(&["a", "c"]) };
        assert_eq!(told(&key)[1].1, "[Fallback { from: \"a\", when: ContextWindow }]");
        let alone = KeyRouting { disable_fallbacks: true, ..KeyRouting::default() };
        let told = told(&Key { routing: Some(Box::new(alone)), ..key });
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[test]
    fn a_key_without_its_team_reaches_nothing() {
        assert_eq!(told(&Key { team: Some("gone".into()), ..allowed(&[]) }), []);
    }
}
