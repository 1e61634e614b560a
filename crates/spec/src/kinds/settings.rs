use serde_json::Value;

use super::read::read;
use super::{ItemKind, Kind, json};
use crate::{Document, Fault, ItemId, ModelType, Reference, quote::Quoted, validate::EVERY};

/// Sections of settings, by the names of their fields. Always there, so they can only change.
pub(super) struct Settings;

/// One section.
struct Section {
    name: &'static str,
    get: fn(&Document) -> Value,
    put: fn(&mut Document, Value) -> Result<(), Fault>,
    reset: fn(&mut Document),
}

/// A section is a field of the document that has defaults.
macro_rules! section {
    ($field:ident) => {
        Section {
            name: stringify!($field),
            get: |document| json(&document.$field),
            put: |document, data| {
                document.$field = read(data)?;
                Ok(())
            },
            reset: |document| document.$field = Default::default(),
        }
    };
}

const SECTIONS: &[Section] = &[
    section!(defaults),
    section!(aliases),
    section!(routing),
    section!(ledger),
    section!(cache),
    section!(requests),
    section!(limits),
    section!(housekeeping),
    section!(passthrough),
];

// === impl ItemKind ===

impl ItemKind {
    /// A section of settings, by the name of its field: `defaults`, `routing`, `ledger` and so on. Always there.
    pub const SETTINGS: Self = Self(&Settings);
}

// === impl Settings ===

impl Kind for Settings {
    fn name(&self) -> &'static str {
        "settings"
    }

    fn items(&self, document: &Document) -> Vec<(String, Value)> {
        SECTIONS.iter().map(|section| (section.name.to_owned(), (section.get)(document))).collect()
    }

    fn put(&self, document: &mut Document, name: &str, data: Value) -> Result<(), Fault> {
        if let Some(section) = find(name) {
            return (section.put)(document, data);
        }
        let known = SECTIONS.iter().map(|section| section.name).collect::<Vec<_>>().join(", ");
        let message = format!("there is no section of settings called {}; there are {known}", Quoted(name));
        Err(Fault { path: String::new(), message })
    }

    fn remove(&self, document: &mut Document, name: &str) -> bool {
        find(name).map(|section| (section.reset)(document)).is_some()
    }

    fn locate<'p>(&self, _document: &Document, path: &'p str) -> Option<(String, &'p str)> {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let section = find(&path[..end])?;
        Some((section.name.to_owned(), path[end..].trim_start_matches('.')))
    }

    fn references(&self, document: &Document) -> Vec<Reference> {
        let types = document.defaults.types.iter();
        let named = types.filter_map(|(model_type, of_type)| Some((model_type, of_type.recipe.as_deref()?)));
        let reference = |(model_type, name): (&ModelType, &str)| Reference {
            from: ItemId::new(ItemKind::SETTINGS, "defaults"),
            path: format!("types.{model_type}.recipe"),
            to: ItemId::new(ItemKind::RECIPE, name),
        };
        named.map(reference).chain(fallbacks_of(document)).chain(aliases_of(document)).collect()
    }

    fn place(&self, _document: &Document, name: &str) -> Option<String> {
        find(name).map(|section| section.name.to_owned())
    }
}

/// The models that fallbacks lead from and to.
fn fallbacks_of(document: &Document) -> Vec<Reference> {
    let routing = &document.routing;
    let maps = [
        ("fallbacks", &routing.fallbacks),
        ("context_window_fallbacks", &routing.context_window_fallbacks),
        ("content_policy_fallbacks", &routing.content_policy_fallbacks),
    ];
    let model = |path: String, name: &str| Reference {
        from: ItemId::new(ItemKind::SETTINGS, "routing"),
        path,
        to: ItemId::new(ItemKind::MODEL, name),
    };
    let list = |path: String, names: &[String]| -> Vec<_> {
        names.iter().enumerate().map(|(index, name)| model(format!("{path}[{index}]"), name)).collect()
    };
    let mut references = list("default_fallbacks".to_owned(), &routing.default_fallbacks);
    for (field, fallbacks) in maps {
        for (name, others) in fallbacks {
            let path = format!("{field}.{name}");
            references.extend((name != EVERY).then(|| model(path.clone(), name)));
            references.extend(list(path, others));
        }
    }
    references
}

/// The models that other names stand for. A name that stands for another alias names no model.
fn aliases_of(document: &Document) -> impl Iterator<Item = Reference> {
    let aliases = &document.aliases;
    let direct = aliases.iter().filter(|(_, alias)| !aliases.contains_key(alias.model()));
    direct.map(|(name, alias)| Reference {
        from: ItemId::new(ItemKind::SETTINGS, "aliases"),
        path: name.clone(),
        to: ItemId::new(ItemKind::MODEL, alias.model()),
    })
}

fn find(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}
