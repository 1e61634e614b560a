use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ambient::Timestamp;
use runtime::{Handle, Listener};
use serde::{Deserialize, Serialize};

use super::Desired;
use crate::Home;
use crate::placement::Placed;

/// What the files of records end in.
const ENDING: &str = "json";

/// An engine that is about to be started, or was and is not known to have ended. One file each in
/// [`Home::run`], so that the next manager finds it whatever becomes of the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// `<deployment id>/<number>`.
    pub(super) id: String,
    /// Hash of what it is started from.
    pub(super) spec_hash: String,
    /// Where it listens.
    pub(super) listener: Listener,
    /// When it is started.
    pub(super) started_at: Timestamp,
    /// How often it was started again since it was last ready for long.
    pub(super) restarts: u32,
    /// GPUs that it gets, by UUID; by the names in its definition in records of earlier versions, or none.
    #[serde(default)]
    pub(super) gpus: Option<Vec<String>>,
    /// What these are, and how much of them it takes; none in records of earlier versions.
    #[serde(default)]
    pub(super) placed: Option<Placed>,
    /// Where its model comes from; none in records of earlier versions.
    #[serde(default)]
    pub(super) source: Option<Source>,
    /// Type and name under which it answers; none in records of earlier versions.
    #[serde(default)]
    pub(super) serves: Option<String>,
    /// How it is found again; none before it is started.
    pub(super) handle: Option<Handle>,
}

/// Where the model of an engine comes from, as its definition says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// Name at the Hub, or a folder.
    pub(crate) model: String,
    /// Which state of it, if the definition says so.
    pub(crate) revision: Option<String>,
}

// === impl Record ===

impl Record {
    /// Of an engine that is about to be started.
    pub(super) fn intent(
        desired: &Desired,
        listener: Listener,
        started_at: Timestamp,
        restarts: u32,
        placed: Option<Placed>,
    ) -> Self {
        let (id, spec_hash) = (desired.id.clone(), desired.spec_hash.clone());
        let gpus = placed.iter().flat_map(|placed| &placed.gpus).map(|gpu| gpu.uuid.clone()).collect();
        let serves = Some(desired.serves.to_string());
        let engine = &desired.engine;
        let source = Some(Source { model: engine.source.clone(), revision: engine.revision.clone() });
        Self { id, spec_hash, listener, started_at, restarts, gpus: Some(gpus), placed, source, serves, handle: None }
    }

    /// Puts it on the disk, in place of an earlier one of the same replica.
    pub(super) async fn write(&self, home: &Home) -> io::Result<()> {
        let target = path(home, &self.id);
        // Cannot fail: every key is a string.
        let text = serde_json::to_vec(self).unwrap_or_default();
        blocking(move || replace(&target, &text)).await
    }

    /// Forgets an engine that has ended.
    pub(super) async fn remove(home: &Home, id: &str) -> io::Result<()> {
        let path = path(home, id);
        match blocking(move || std::fs::remove_file(path)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// All that an earlier manager left. One that cannot be read is left out.
    pub(crate) fn read_all(home: &Home) -> io::Result<Vec<Self>> {
        let mut records = Vec::new();
        for entry in std::fs::read_dir(home.run())? {
            let path = entry?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            match std::fs::read(&path).map(|text| serde_json::from_slice::<Self>(&text)) {
                Ok(Ok(record)) => records.push(record),
                Ok(Err(error)) => tracing::warn!(path = %path.display(), %error, "the record of an engine is damaged"),
                Err(error) => tracing::warn!(path = %path.display(), %error, "the record of an engine cannot be read"),
            }
        }
        Ok(records)
    }
}

/// What tells the engines of a home from all others on the machine: the file system's name for the folder. It stands
/// in front of the replica's id in [`runtime::process::TAG`].
pub(super) fn tag_prefix(home: &Home) -> io::Result<String> {
    let folder = std::fs::metadata(home.path())?;
    Ok(format!("{:x}-{:x}/", folder.dev(), folder.ino()))
}

fn path(home: &Home, id: &str) -> PathBuf {
    home.run().join(format!("{}.{ENDING}", id.replace('/', "-")))
}

fn replace(target: &Path, text: &[u8]) -> io::Result<()> {
    let temporary = target.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&temporary, target)?;
    // The rename itself lasts once the folder is on the disk.
    File::open(target.parent().unwrap_or(Path::new("/")))?.sync_all()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_record_is_private_replaced_read_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(folder.path()).unwrap();
        let first = Record {
            id: "dep/0".into(),
            spec_hash: "h".into(),
            listener: Listener::Port(8000),
            started_at: Timestamp::from_micros(5),
            restarts: 0,
            gpus: None,
            placed: None,
            source: None,
            serves: None,
            handle: None,
        };
        let second = Record { listener: Listener::Socket("/s".into()), restarts: 3, ..first.clone() };
        first.write(&home).await.unwrap();
        second.write(&home).await.unwrap();
        std::fs::write(home.run().join("damaged.json"), "{").unwrap();
        std::fs::write(home.run().join("dep-1.new"), "half").unwrap();
        assert_eq!(Record::read_all(&home).unwrap(), [second]);
        assert_eq!(std::fs::metadata(home.run().join("dep-0.json")).unwrap().mode() & 0o777, 0o600);
        Record::remove(&home, "dep/0").await.unwrap();
        Record::remove(&home, "dep/0").await.unwrap();
        assert_eq!(Record::read_all(&home).unwrap(), []);
    }

    #[test]
    fn every_home_has_its_own_tags() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = folders.each_ref().map(|folder| tag_prefix(&Home::create(folder.path()).unwrap()).unwrap());
        assert_ne!(one, other);
    }
}
