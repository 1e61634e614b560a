//! Files that engines write to: appended over restarts, readable by the owner only, bounded in size.

use std::fs::{File, OpenOptions, Permissions, create_dir_all, rename};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes from which on a file is put aside (32 MiB).
pub const LIMIT: u64 = 32 * 1024 * 1024;

/// Opens the log of an engine that is about to start, for appending. A large one is put aside first.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        create_dir_all(folder)?;
    }
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > LIMIT) {
        rename(path, aside(path))?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Where what was put aside lies: the same name with `.1` behind it.
pub fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// Empties a log of more than [`LIMIT`] bytes while the engine goes on writing; its last [`LIMIT`] bytes are put aside.
///
/// True if it did. What the engine writes in the moment between copying and emptying is lost: it has the file open
/// and cannot be told to take another.
pub fn trim(path: &Path) -> io::Result<bool> {
    let log = OpenOptions::new().read(true).write(true).open(path)?;
    let length = log.metadata()?.len();
    if length <= LIMIT {
        return Ok(false);
    }
    (&log).seek(SeekFrom::Start(length - LIMIT))?;
    let mut copy = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(aside(path))?;
    io::copy(&mut (&log).take(LIMIT), &mut copy)?;
    // The engine appends, so its next write goes to the new end.
    log.set_len(0)?;
    Ok(true)
}

/// The last bytes of a log behind the first `skip`, from the start of a line, at most `bytes`. Empty if there is no
/// such file. Nothing is skipped of a log that is shorter by now, for it was emptied since.
pub fn tail(path: &Path, skip: u64, bytes: u64) -> io::Result<String> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    let first = if skip <= length { skip } else { 0 };
    let start = length.saturating_sub(bytes).max(first);
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    let newline = end.iter().position(|b| *b == b'\n');
    let cut = if start == first { 0 } else { newline.map_or(0, |newline| newline + 1) };
    Ok(String::from_utf8_lossy(&end[cut..]).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn log() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/engine.log");
        (folder, path)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// Makes the file longer without writing as much.
    fn grow(path: &Path) {
        OpenOptions::new().write(true).open(path).unwrap().set_len(LIMIT + 1).unwrap();
    }

    #[test]
    fn is_appended_to_and_readable_by_its_owner_only() {
        let (_folder, path) = log();
        writeln!(open(&path).unwrap(), "one").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        writeln!(open(&path).unwrap(), "two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_large_one_is_put_aside_at_the_next_start() {
        let (_folder, path) = log();
        drop(open(&path).unwrap());
        grow(&path);
        writeln!(open(&path).unwrap(), "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(std::fs::metadata(aside(&path)).unwrap().len(), LIMIT + 1);
    }

    #[test]
    fn is_trimmed_while_it_is_written_to() {
        let (_folder, path) = log();
        let mut engine = open(&path).unwrap();
        assert!(!trim(&path).unwrap());
        grow(&path);
        writeln!(engine, "last").unwrap();
        assert!(trim(&path).unwrap());
        writeln!(engine, "after").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "after\n");
        assert!(std::fs::read(aside(&path)).unwrap().ends_with(b"last\n"));
        assert_eq!((std::fs::metadata(aside(&path)).unwrap().len(), mode(&aside(&path))), (LIMIT, 0o600));
    }

    #[test]
    fn the_tail_starts_with_a_line() {
        let (_folder, path) = log();
        assert_eq!(tail(&path, 0, 100).unwrap(), "");
        write!(open(&path).unwrap(), "first\nsecond\nthird").unwrap();
        assert_eq!(tail(&path, 0, 100).unwrap(), "first\nsecond\nthird");
        assert_eq!(tail(&path, 0, 14).unwrap(), "second\nthird");
        assert_eq!(tail(&path, 0, 10).unwrap(), "third");
        assert_eq!(tail(&path, 0, 3).unwrap(), "ird", "a line longer than that is cut");
        assert_eq!(tail(&path, 0, 0).unwrap(), "");
    }

    #[test]
    fn the_tail_leaves_out_earlier_runs() {
        let (_folder, path) = log();
        write!(open(&path).unwrap(), "first\nsecond\nthird").unwrap();
        assert_eq!(tail(&path, 6, 100).unwrap(), "second\nthird");
        assert_eq!(tail(&path, 6, 12).unwrap(), "second\nthird");
        assert_eq!(tail(&path, 18, 100).unwrap(), "");
        assert_eq!(tail(&path, 19, 100).unwrap(), "first\nsecond\nthird", "it was emptied since");
    }
}
