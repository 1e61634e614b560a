use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::parse::top_level;
use crate::{Document, Format, ParseError, parse};

/// One of several files that are a document together.
#[derive(Clone, Debug)]
pub struct Part {
    /// How messages name it.
    pub name: String,
    /// What stands in it: a document, of which whatever is left out may stand in another part.
    pub text: String,
    /// How it is written.
    pub format: Format,
    /// Absolute path that relative paths in it start from.
    pub base_dir: PathBuf,
}

/// Files that are one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// All of them together.
    pub document: Document,
    /// Where the elements of the document's lists come from: name of the list, then one entry for each element.
    origins: BTreeMap<String, Vec<Origin>>,
    /// Which part the other fields come from.
    sections: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    part: String,
    index: usize,
}

/// Files are not one document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// One of them is no document.
    #[error("{part}: {cause}")]
    Parse {
        /// Which one.
        part: String,
        /// Why.
        cause: ParseError,
    },
    /// Two of them set the same section.
    #[error("`{section}` stands in {first} and in {second}; keep it in one of them")]
    Twice {
        /// Name of the field.
        section: String,
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
}

// === impl Merged ===

impl Merged {
    /// A path of the document as who wrote the files knows it: `b.yaml: models[0].name` for `models[7].name`.
    pub fn origin_of(&self, path: &str) -> String {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (field, rest) = path.split_at(end);
        if let Some(part) = self.sections.get(field) {
            return format!("{part}: {path}");
        }
        let element = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let found = element.and_then(|(index, below)| {
            let origin = self.origins.get(field)?.get(index.parse::<usize>().ok()?)?;
            Some(format!("{}: {field}[{}]{below}", origin.part, origin.index))
        });
        found.unwrap_or_else(|| path.to_owned())
    }
}

/// Makes one document of several files: lists are put behind each other, anything else stands in one of them.
pub fn merge(parts: &[Part]) -> Result<Merged, MergeError> {
    let mut all = Map::new();
    let mut origins: BTreeMap<String, Vec<Origin>> = BTreeMap::new();
    let mut sections: BTreeMap<String, String> = BTreeMap::new();
    for part in parts {
        for (field, value) in fields(part)? {
            match (all.get_mut(&field), value) {
                (None, Value::Array(elements)) => {
                    origins.entry(field.clone()).or_default().extend(Origin::of(part, elements.len()));
                    all.insert(field, Value::Array(elements));
                }
                (Some(Value::Array(stands)), Value::Array(elements)) => {
                    origins.entry(field).or_default().extend(Origin::of(part, elements.len()));
                    stands.extend(elements);
                }
                // The version: every part says the same, or it would not have been read.
                (Some(stands), value) if *stands == value && field == "version" => {}
                (Some(_), _) => {
                    let first = sections.get(&field).cloned().unwrap_or_default();
                    return Err(MergeError::Twice { section: field, first, second: part.name.clone() });
                }
                (None, value) => {
                    if field != "version" {
                        sections.insert(field.clone(), part.name.clone());
                    }
                    all.insert(field, value);
                }
            }
        }
    }
    let text = Value::Object(all).to_string();
    let document = parse(&text, Format::Json)
        .map_err(|cause| MergeError::Parse { part: "the files together".to_owned(), cause })?;
    Ok(Merged { document, origins, sections })
}

/// The fields that stand in a part, with absolute paths.
fn fields(part: &Part) -> Result<Vec<(String, Value)>, MergeError> {
    let failed = |cause| MergeError::Parse { part: part.name.clone(), cause };
    let mut document = parse(&part.text, part.format).map_err(failed)?;
    document.absolutize(&part.base_dir);
    let given = top_level(&part.text, part.format).map_err(failed)?;
    let Ok(Value::Object(fields)) = serde_json::to_value(document) else { return Ok(Vec::new()) };
    Ok(fields.into_iter().filter(|(field, _)| given.contains(field)).collect())
}

// === impl Origin ===

impl Origin {
    fn of(part: &Part, count: usize) -> impl Iterator<Item = Self> {
        (0..count).map(|index| Self { part: part.name.clone(), index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, text: &str) -> Part {
        let format = Format::from_path(name.as_ref());
        Part { name: name.into(), text: text.into(), format, base_dir: format!("/etc/{name}.d").into() }
    }

    #[test]
    fn lists_are_put_together_and_sections_stand_once() {
        let models = part("a.yaml", "version: 1\nmodels: [{name: a, type: chat}]\nlimits: {rpm: 5}");
        let more = part(
            "b.json",
            r#"{"version": 1, "models": [{"name": "b", "type": "chat", "deployments": [
            {"engine": {"source": "./m", "runtime": "process", "command": ["x"]}}]}]}"#,
        );
        let settings = part("z.yml", "version: 1\nrouting: {retries: 5}");
        let merged = merge(&[models.clone(), more, settings.clone()]).unwrap();
        let names: Vec<_> = merged.document.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!((names, merged.document.routing.retries, merged.document.limits.rpm), (vec!["a", "b"], 5, Some(5)));
        let engine = merged.document.models[1].deployments[0].engine.as_ref().unwrap();
        assert_eq!(engine.source, "/etc/b.json.d/m", "against the folder of its own file");
        assert_eq!(merged.origin_of("models[1].deployments[0].id"), "b.json: models[0].deployments[0].id");
        assert_eq!(merged.origin_of("routing.retries"), "z.yml: routing.retries");
        assert_eq!(merged.origin_of("version"), "version");

        let twice = merge(&[settings, part("y.yaml", "version: 1\nrouting: {retries: 1}")]).unwrap_err();
        assert_eq!(twice.to_string(), "`routing` stands in z.yml and in y.yaml; keep it in one of them");
        let wrong = merge(&[models, part("c.yaml", "version: 1\nmodles: []")]).unwrap_err();
        assert!(wrong.to_string().starts_with("c.yaml: line 2"), "{wrong}");
        assert_eq!(merge(&[]).unwrap_err().to_string().split(':').next(), Some("the files together"));
    }
}
