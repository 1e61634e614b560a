//! `config.json`: the applied state as a file. Written from the store, never read while there is a revision.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use spec::Document;

use crate::Home;

/// What stands in the file.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Projection<'a> {
    pub(crate) revision: u64,
    pub(crate) digest: &'a str,
    pub(crate) document: &'a Document,
    pub(crate) intents: Intents,
}

/// What was decided outside of the document, and acts at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intents {
    /// Whether the open routes are open.
    pub(crate) open_routes: bool,
}

/// A projection on the disk under another name: to be put in place once the revision is committed.
#[derive(Debug)]
pub(crate) struct Prepared {
    temporary: PathBuf,
    target: PathBuf,
}

/// The projection cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; nothing was applied", path.display())]
pub(crate) struct ProjectionError {
    path: PathBuf,
    source: io::Error,
}

// === impl Prepared ===

impl Prepared {
    /// Writes the projection beside its place, forces it to the disk and reads it back.
    pub(crate) fn write(home: &Home, projection: Projection<'_>) -> Result<Self, ProjectionError> {
        let target = home.config();
        let temporary = target.with_extension("json.new");
        let text = text(projection);
        match write_and_read_back(&temporary, &text) {
            Ok(()) => Ok(Self { temporary, target }),
            Err(source) => {
                let _ = std::fs::remove_file(&temporary);
                Err(ProjectionError { path: temporary, source })
            }
        }
    }

    /// Puts it in place.
    pub(crate) fn put_in_place(self) -> io::Result<()> {
        std::fs::rename(&self.temporary, &self.target)?;
        // The rename itself lasts once the folder is on the disk.
        File::open(self.target.parent().unwrap_or(Path::new("/")))?.sync_all()
    }

    /// Takes it back: nothing was committed.
    pub(crate) fn discard(self) {
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// Rewrites the projection where it differs from what applies; whether it did.
pub(crate) fn restore(home: &Home, projection: Projection<'_>) -> io::Result<bool> {
    let stands = std::fs::read_to_string(home.config());
    if stands.is_ok_and(|stands| stands == text(projection)) {
        return Ok(false);
    }
    let prepared = Prepared::write(home, projection).map_err(|error| error.source)?;
    prepared.put_in_place()?;
    Ok(true)
}

/// The document in a projection, or in a file that is a document itself. None where there is no file.
pub(crate) fn read(home: &Home) -> io::Result<Option<String>> {
    let text = match std::fs::read_to_string(home.config()) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let inner = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(mut fields)) => fields.remove("document"),
        _ => None,
    };
    Ok(Some(inner.map_or(text, |document| document.to_string())))
}

/// The intents in a projection, if there is one that has them.
pub(crate) fn read_intents(home: &Home) -> Option<Intents> {
    let text = std::fs::read_to_string(home.config()).ok()?;
    let Value::Object(mut fields) = serde_json::from_str(&text).ok()? else { return None };
    serde_json::from_value(fields.remove("intents")?).ok()
}

fn text(projection: Projection<'_>) -> String {
    // Cannot fail: every key is a string.
    let mut text = serde_json::to_string_pretty(&projection).unwrap_or_default();
    text.push('\n');
    text
}

fn write_and_read_back(path: &Path, text: &str) -> io::Result<()> {
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if std::fs::read(path)? != text.as_bytes() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what was read back differs from what was written"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(folder.path()).unwrap();
        (folder, home)
    }

    fn projection(revision: u64, document: &Document) -> Projection<'_> {
        Projection { revision, digest: "d", document, intents: Intents { open_routes: false } }
    }

    #[test]
    fn a_projection_is_seen_whole_or_not_at_all() {
        let (_folder, home) = home();
        let document = Document::default();
        let prepared = Prepared::write(&home, projection(3, &document)).unwrap();
        assert_eq!(read(&home).unwrap(), None);
        prepared.put_in_place().unwrap();
        let found: Document = serde_json::from_str(&read(&home).unwrap().unwrap()).unwrap();
        assert_eq!(found, document);
        assert_eq!(read_intents(&home), Some(Intents { open_routes: false }));
        Prepared::write(&home, projection(4, &document)).unwrap().discard();
        assert!(std::fs::read_to_string(home.config()).unwrap().contains("\"revision\": 3"));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().filter(|e| e.as_ref().unwrap().path().is_file()).count(), 1);
    }

    #[test]
    fn a_hand_edit_is_overwritten_and_said() {
        let (_folder, home) = home();
        let document = Document::default();
        assert!(restore(&home, projection(1, &document)).unwrap(), "missing");
        assert!(!restore(&home, projection(1, &document)).unwrap(), "as it should be");
        std::fs::write(home.config(), "{}").unwrap();
        assert!(restore(&home, projection(1, &document)).unwrap(), "edited");
        assert!(!restore(&home, projection(1, &document)).unwrap());
    }

    #[test]
    fn a_plain_document_is_read_as_it_is() {
        let (_folder, home) = home();
        std::fs::write(home.config(), "{\"version\": 1}").unwrap();
        assert_eq!(read(&home).unwrap().unwrap(), "{\"version\": 1}");
    }
}
