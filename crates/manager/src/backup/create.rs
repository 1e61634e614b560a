use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use ambient::{Clock, Rng};
use archive::{Manifest, Name, Passphrase, Writer};
use serde::Serialize;
use store::{CopyPart, CopyRow, Dump, PostgresUrl, TableShape};

use super::transfer::page;
use super::{
    About, AboutPart, BackupError, Doing, FILES, Head, MAX_FILE_BYTES, Progress, ROWS_BYTES, Step, location, rows_name,
};
use crate::Home;

/// A backup that is to be made. Whether anything runs on the home does not matter.
#[derive(Debug)]
pub struct Create<'a> {
    /// The home.
    pub home: &'a Home,
    /// The database that has its store; none where the home itself has.
    pub database: Option<PostgresUrl>,
    /// What to encrypt it with.
    pub passphrase: Option<&'a Passphrase>,
    /// Time of day.
    pub clock: Clock,
    /// Where keys come from.
    pub rng: Rng,
    /// Where it is told how far it is.
    pub progress: Progress,
}

// === impl Create ===

impl Create<'_> {
    /// Writes it to `out`.
    pub async fn run<W: Write>(self, out: W) -> Result<(W, Manifest<About>), BackupError> {
        self.home.check_store(self.database.is_some())?;
        let made_at = self.clock.now();
        let mut writer = Writer::new(out, self.passphrase, &self.rng, u64::try_from(made_at.as_secs()).unwrap_or(0))?;
        // First: see the module.
        let spool_files = add_spool(&mut writer, &self.home.spool())?;
        let mut dump = Dump::begin(&location(self.home.path(), self.database)).await?;
        let mut databases = BTreeMap::new();
        for part in CopyPart::ALL {
            databases.insert(part, add_part(&mut writer, &mut dump, part, &self.progress).await?);
        }
        let (revision, digest) = dump.revision().await?.unzip();
        let files = add_files(&mut writer, self.home.path())?;
        let (version, made_at) = (env!("CARGO_PKG_VERSION").to_owned(), made_at.to_string());
        Ok(writer.finish(About { version, made_at, revision, digest, databases, spool_files, files })?)
    }
}

/// Adds the books of every gateway as they lie in its spool; how many files.
fn add_spool<W: Write>(writer: &mut Writer<W>, spool: &Path) -> Result<usize, BackupError> {
    let mut count = 0;
    for entry in fs::read_dir(spool).map_err(BackupError::io("list", spool))? {
        let folder = entry.map_err(BackupError::io("list", spool))?.path();
        let gateway = plain(&folder);
        if !folder.is_dir() {
            continue;
        }
        for path in ledger::segment_files(&folder).map_err(BackupError::io("read", &folder))? {
            let file = File::open(&path).map_err(BackupError::io("read", &path))?;
            let bytes = file.metadata().map_err(BackupError::io("read", &path))?.len();
            writer.add_from(&Name::spool(&gateway, &plain(&path))?, bytes, file)?;
            count += 1;
        }
    }
    Ok(count)
}

async fn add_part<W: Write>(
    writer: &mut Writer<W>,
    dump: &mut Dump,
    part: CopyPart,
    progress: &Progress,
) -> Result<AboutPart, BackupError> {
    let mut about = AboutPart { migrations: dump.migrations(part).await?, tables: BTreeMap::new() };
    for table in dump.tables(part).await? {
        let rows = add_table(writer, dump, part, &table, progress).await?;
        about.tables.insert(table.name, rows);
    }
    Ok(about)
}

/// Adds a table; how many rows it has.
async fn add_table<W: Write>(
    writer: &mut Writer<W>,
    dump: &mut Dump,
    part: CopyPart,
    table: &TableShape,
    progress: &Progress,
) -> Result<u64, BackupError> {
    let (mut last, mut count, mut number): (Option<CopyRow>, u64, u32) = (None, 0, 0);
    let mut text = Vec::new();
    loop {
        let mut rows = dump.rows(part, table, last.as_ref(), page(part)).await?;
        for row in &rows {
            if text.is_empty() {
                line(&mut text, &Head { table: table.clone() });
            }
            line(&mut text, row);
            if text.len() >= ROWS_BYTES {
                writer.add(&rows_name(part, &table.name, number)?, &text)?;
                number += 1;
                text.clear();
            }
        }
        let before = count;
        count += rows.len() as u64;
        progress.tell(&Step { doing: Doing::Saving, part, table: &table.name, before, rows: count, of: None });
        match rows.pop() {
            Some(row) => last = Some(row),
            None if text.is_empty() => return Ok(count),
            None => {
                writer.add(&rows_name(part, &table.name, number)?, &text)?;
                return Ok(count);
            }
        }
    }
}

/// Adds the files of the home that are there; their names.
fn add_files<W: Write>(writer: &mut Writer<W>, home: &Path) -> Result<Vec<String>, BackupError> {
    let mut names = Vec::new();
    for name in FILES {
        let path = home.join(name);
        let bytes = match fs::metadata(&path) {
            Ok(meta) if meta.len() > MAX_FILE_BYTES => {
                let error = io::Error::other(format!("{} bytes are too many", meta.len()));
                return Err(BackupError::io("take in", path)(error));
            }
            Ok(_) => fs::read(&path).map_err(BackupError::io("read", &path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(BackupError::io("read", path)(error)),
        };
        writer.add(&Name::file(name)?, &bytes)?;
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Adds a line of JSON. Cannot fail: every key is a string.
fn line(text: &mut Vec<u8>, value: &impl Serialize) {
    text.extend(serde_json::to_vec(value).unwrap_or_default());
    text.push(b'\n');
}

/// The last word of a path.
fn plain(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
