use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde_json::{Map, Value};

/// Bytes that a file may have.
const MAX_BYTES: u64 = 16 << 20;
/// Files in the directory that are looked at.
const MAX_FILES: usize = 1_000;

/// What the directory holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// `config.json`.
    pub config: Map<String, Value>,
    /// The file for MIG, if there is one.
    pub mig: Option<Value>,
}

/// The directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file is not there, or the system refuses it.
    #[error("cannot read {}: {error}; name the configuration directory of LLM-Manager", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It is a link, a folder, a pipe ...
    #[error("{} is no plain file; what links lead to is not followed", path.display())]
    NoFile {
        /// Which one.
        path: PathBuf,
    },
    /// It is larger than any configuration.
    #[error("{} has {bytes} bytes, more than {MAX_BYTES}: is it what you mean?", path.display())]
    TooLarge {
        /// Which one.
        path: PathBuf,
        /// How large.
        bytes: u64,
    },
    /// It is no JSON, or not an object.
    #[error("{} is no configuration: {why}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why; without a line of it, since there are secrets in it.
        why: String,
    },
}

/// Reads the directory. Follows no links, and reads no more than it has to.
pub fn read(directory: &Path) -> Result<Source, ReadError> {
    let path = directory.join("config.json");
    let Value::Object(config) = read_json(&path)? else {
        return Err(ReadError::Unreadable { path, why: "it holds no object".to_owned() });
    };
    let mig = mig_file(directory)?.map(|path| read_json(&path)).transpose()?;
    Ok(Source { config, mig })
}

/// The file whose name says that it is about MIG; the first by name.
fn mig_file(directory: &Path) -> Result<Option<PathBuf>, ReadError> {
    let fault = |error| ReadError::Io { path: directory.to_owned(), error };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(fault)?.take(MAX_FILES) {
        let path = entry.map_err(fault)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if name.strip_suffix(".json").is_some_and(|stem| stem.contains("mig")) {
            found.push(path);
        }
    }
    Ok(found.into_iter().min())
}

fn read_json(path: &Path) -> Result<Value, ReadError> {
    let fault = |error: io::Error| ReadError::Io { path: path.to_owned(), error };
    // Without waiting for a pipe's other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) => return Err(ReadError::NoFile { path: path.to_owned() }),
        Err(error) => return Err(fault(error.into())),
    };
    let meta = file.metadata().map_err(fault)?;
    if !meta.is_file() {
        return Err(ReadError::NoFile { path: path.to_owned() });
    }
    if meta.len() > MAX_BYTES {
        return Err(ReadError::TooLarge { path: path.to_owned(), bytes: meta.len() });
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(fault)?;
    serde_json::from_slice(&text).map_err(|error| {
        let why = format!("it is not JSON (line {}, column {})", error.line(), error.column());
        ReadError::Unreadable { path: path.to_owned(), why }
    })
}
