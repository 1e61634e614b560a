use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Cache;
use crate::weights::{folder_of, is_weights};
use crate::{Repository, Revision};

/// Folders within folders that a snapshot may have.
const MAX_DEPTH: usize = 32;
/// Files of a snapshot that are looked at.
const MAX_FILES: usize = 100_000;
/// Bytes of a list of weights: the largest models have some 10 MiB.
const MAX_INDEX_BYTES: u64 = 64 << 20;
/// One of these says what a model is: for transformers, diffusers and Mistral's own format.
const DESCRIPTIONS: [&str; 3] = ["config.json", "model_index.json", "params.json"];

/// Whether a model can be served from the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing of this revision is there.
    Absent,
    /// Some of it is: this, at least, is not.
    Partial {
        /// What.
        missing: String,
    },
    /// All that a program needs to load it.
    Whole {
        /// The folder with its files.
        path: PathBuf,
    },
}

/// The list of weights of a model that is cut into several files.
#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

// === impl Cache ===

impl Cache {
    /// Whether a revision of a model can be served offline, by what lies there: somebody else's program may have fetched
    /// it, so no mark of ours would tell.
    pub fn presence(&self, repository: &Repository, revision: &Revision) -> Presence {
        let Some(path) = self.snapshot(repository, revision) else { return Presence::Absent };
        let mut files = BTreeSet::new();
        if let Some(missing) = collect(&path, &path, 0, &mut files).or_else(|| fault(&path, &files)) {
            return Presence::Partial { missing };
        }
        Presence::Whole { path }
    }
}

/// Adds the paths of all files below `folder`; one that leads nowhere, if there is any.
fn collect(root: &Path, folder: &Path, depth: usize, files: &mut BTreeSet<String>) -> Option<String> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str) else { continue };
        match fs::metadata(&path) {
            Err(_) => return Some(relative.to_owned()),
            Ok(metadata) if metadata.is_dir() => {
                if depth < MAX_DEPTH
                    && let Some(missing) = collect(root, &path, depth + 1, files)
                {
                    return Some(missing);
                }
            }
            Ok(_) if files.len() < MAX_FILES => drop(files.insert(relative.to_owned())),
            Ok(_) => {}
        }
    }
    None
}

/// What a program would look for in vain.
fn fault(root: &Path, files: &BTreeSet<String>) -> Option<String> {
    let weights: Vec<_> = files.iter().filter(|file| is_weights(file)).collect();
    let is_single = weights.iter().any(|file| has_extension(file, "gguf"));
    if !is_single && !DESCRIPTIONS.iter().any(|name| files.contains(*name)) {
        return Some("config.json".to_owned());
    }
    if weights.is_empty() {
        return Some("its weights".to_owned());
    }
    let mut indices = files.iter().filter(|file| file.ends_with(".index.json"));
    indices.find_map(|index| unlisted(root, index, files))
}

/// The first file that an index names and that is not there. One for weights of a format of which there is nothing does not
/// count: another format is there.
fn unlisted(root: &Path, index: &str, files: &BTreeSet<String>) -> Option<String> {
    let mut text = Vec::new();
    File::open(root.join(index)).ok()?.take(MAX_INDEX_BYTES).read_to_end(&mut text).ok()?;
    let listed: Index = serde_json::from_slice(&text).ok()?;
    let folder = folder_of(index);
    let paths: BTreeSet<_> = listed.weight_map.into_values().map(|name| format!("{folder}{name}")).collect();
    let extension = paths.first()?.rsplit_once('.')?.1.to_owned();
    let is_of_this = |file: &&String| folder_of(file) == folder && has_extension(file, &extension);
    files.iter().find(is_of_this)?;
    paths.into_iter().find(|path| !files.contains(path))
}

fn has_extension(file: &str, extension: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, found)| found == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "1111111111111111111111111111111111111111";

    fn of(files: &[(&str, &str)]) -> Presence {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("models--org--tiny");
        for (path, content) in files {
            let path = model.join("snapshots").join(COMMIT).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if *content == "gone" {
                std::os::unix::fs::symlink("nowhere", path).unwrap();
            } else {
                fs::write(path, content).unwrap();
            }
        }
        fs::create_dir_all(model.join("refs")).unwrap();
        fs::write(model.join("refs/main"), COMMIT).unwrap();
        let presence = |revision: &str| {
            Cache::new(folder.path()).presence(&"org/tiny".parse().unwrap(), &revision.parse().unwrap())
        };
        assert_eq!(presence("v2"), Presence::Absent);
        assert_eq!(presence("main"), presence(COMMIT));
        match presence("main") {
            Presence::Whole { path } if path.ends_with(COMMIT) => Presence::Whole { path: PathBuf::new() },
            other => other,
        }
    }

    #[test]
    fn a_model_is_whole_once_a_program_could_load_it() {
        let whole = Presence::Whole { path: PathBuf::new() };
        let partial = |missing: &str| Presence::Partial { missing: missing.to_owned() };
        let index = r#"{"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}"#;
        let (config, first) = (("config.json", "{}"), ("m-1.safetensors", "x"));
        for (files, expected) in [
            (&[][..], Presence::Absent),
            (&[config], partial("its weights")),
            (&[first], partial("config.json")),
            (&[config, first], whole.clone()),
            (&[config, ("model.safetensors", "gone")], partial("model.safetensors")),
            (&[config, first, ("m.safetensors.index.json", index)], partial("m-2.safetensors")),
            (&[config, first, ("m-2.safetensors", "y"), ("m.safetensors.index.json", index)], whole.clone()),
            (&[config, ("pytorch_model.bin", "x"), ("m.safetensors.index.json", index)], whole.clone()),
            (&[("model-q4.gguf", "x")], whole.clone()),
            (&[("model_index.json", "{}"), ("unet/d.safetensors", "x"), ("vae/a.bin", "gone")], partial("vae/a.bin")),
        ] {
            assert_eq!(of(files), expected, "{files:?}");
        }
    }
}
