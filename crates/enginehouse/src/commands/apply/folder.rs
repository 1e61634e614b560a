use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use spec::{Format, Merged, Part, merge};

use super::read_file;

/// Files that a folder may hold.
const MAX_FILES: usize = 10_000;

/// One document from all YAML and JSON files of a folder, in the order of their names. Folders in it, hidden files and
/// files of other kinds are left alone.
pub(super) fn read(folder: &Path) -> anyhow::Result<Merged> {
    let mut files = documents(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    files.sort();
    if files.is_empty() {
        bail!("{} holds no document: no file ends in .yaml, .yml or .json", folder.display());
    }
    if files.len() > MAX_FILES {
        bail!("{} holds more than {MAX_FILES} documents", folder.display());
    }
    let base_dir = folder.canonicalize()?;
    let parts = files.iter().map(|file| {
        let text = read_file(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Part { name, text, format: Format::from_path(file), base_dir: base_dir.clone() })
    });
    Ok(merge(&parts.collect::<anyhow::Result<Vec<_>>>()?)?)
}

fn documents(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let is_document = |path: &PathBuf| {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let extension = path.extension().and_then(|extension| extension.to_str());
        !is_hidden && matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file()
    };
    Ok(entries.collect::<std::io::Result<Vec<_>>>()?.into_iter().filter(is_document).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_of_a_folder_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("holds no document"));
        write("b.yaml", "version: 1\nmodels: [{name: b, type: chat}]");
        write("a.json", "{\"version\": 1, \"models\": [{\"name\": \"a\", \"type\": \"chat\"}]}");
        write(".c.yaml", "nonsense");
        write("README.md", "nonsense");
        std::fs::create_dir(folder.path().join("d.yaml")).unwrap();
        let names: Vec<_> = read(folder.path()).unwrap().document.models.into_iter().map(|model| model.name).collect();
        assert_eq!(names, ["a", "b"]);
        write("e.yaml", "version: 1\nmodles: []");
        assert!(read(folder.path()).unwrap_err().to_string().starts_with("e.yaml: line 2"));
    }
}
