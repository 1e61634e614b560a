use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use archive::{Name, Part};
use store::{CopyPart, CopyRow, TableShape};
use tokio::sync::mpsc;

use super::{BackupError, FILES, Head, MAX_FILE_BYTES, MAX_ROWS_BYTES};

/// Parts with rows that wait for the database.
pub(super) const WAITING: usize = 2;

/// Rows on their way from the file to the database.
pub(super) struct Batch {
    pub(super) part: CopyPart,
    pub(super) table: TableShape,
    pub(super) rows: Vec<CopyRow>,
}

/// Puts the parts of a backup where they belong in a home that is being made: files at once, rows by way of a channel.
pub(super) struct Fill {
    pub(super) home: PathBuf,
    pub(super) rows: mpsc::Sender<Batch>,
}

// === impl Fill ===

impl Fill {
    /// Takes one part.
    pub(super) fn take(&self, part: &mut Part<'_>) -> Result<(), BackupError> {
        match part.name.clone() {
            Name::File(name) if FILES.contains(&name.as_str()) => {
                let bytes = part.whole(MAX_FILE_BYTES)?;
                write(&self.home.join(name), &mut &bytes[..])
            }
            Name::Spool(gateway, name) => {
                let folder = self.home.join("spool").join(gateway);
                let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
                made.map_err(BackupError::io("make", &folder))?;
                write(&folder.join(name), part)
            }
            Name::Rows { database, table, .. } => self.send(&database, &table, &part.whole(MAX_ROWS_BYTES)?),
            // Of a version that keeps more: what is not known is not needed.
            Name::File(name) => {
                tracing::warn!(name, "the backup holds a file that this version does not know; it is left out");
                Ok(())
            }
        }
    }

    fn send(&self, database: &str, table: &str, text: &[u8]) -> Result<(), BackupError> {
        let name = format!("db/{database}/{table}");
        let unfit = |error: serde_json::Error| archive::Error::Damaged(format!("{name} cannot be read: {error}"));
        let part = CopyPart::ALL.into_iter().find(|part| part.as_str() == database);
        let part = part.ok_or_else(|| archive::Error::Hostile(name.clone()))?;
        let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let head: Head = serde_json::from_slice(lines.next().unwrap_or_default()).map_err(unfit)?;
        if head.table.name != table {
            return Err(archive::Error::Hostile(format!("rows of {:?} in {name}", head.table.name)).into());
        }
        let rows = lines.map(serde_json::from_slice).collect::<Result<_, _>>().map_err(unfit)?;
        // Nobody takes them any more: why, the other side says.
        let _ = self.rows.blocking_send(Batch { part, table: head.table, rows });
        Ok(())
    }
}

/// Writes a file that only its owner can read, and forces it to the disk.
fn write(path: &Path, input: &mut dyn io::Read) -> Result<(), BackupError> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| io::copy(input, &mut file).and_then(|_| file.sync_all()));
    written.map_err(|error| match error.raw_os_error() {
        Some(_) => BackupError::io("write", path)(error),
        // It came from the backup.
        None => archive::Error::from(error).into(),
    })
}
