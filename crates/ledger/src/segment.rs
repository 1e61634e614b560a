use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use serde::{Serialize, de::DeserializeOwned};

use crate::frame::ALIGN;
use crate::header::{self, BLOCK, Block, Header, NOTE_AT, Note};

#[cfg(test)]
pub(crate) mod faults;

/// Segment files in one spool at most.
pub(crate) const MAX_SLOTS: usize = 1024;

/// How far a file is read to see whether it is blank.
const BLANK_CHECK: usize = 8 * 1024;

/// One preallocated file of the spool, open for life: it works on when its directory is deleted.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    file: File,
    capacity: u64,
    #[cfg(test)]
    pub(crate) faults: faults::Faults,
}

/// How a segment file was found when the spool was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Whole,
    /// It was not there, and was made.
    Missing,
    /// It was shorter than it has to be, and was extended.
    Short,
}

// === impl SegmentFile ===

impl SegmentFile {
    /// Opens the file of a slot for writing; makes it `bytes` long, with the blocks allocated on disk.
    pub(crate) fn prepare(dir: &Path, slot: usize, bytes: u64) -> io::Result<(Self, Found)> {
        let path = path(dir, slot);
        let found = match std::fs::metadata(&path) {
            Ok(metadata) if metadata.len() < bytes => Found::Short,
            Ok(_) => Found::Whole,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Missing,
            Err(error) => return Err(error),
        };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        if found != Found::Whole {
            allocate(&file, bytes)?;
            file.sync_all()?;
        }
        let made = Self::new(file, &path)?;
        #[cfg(test)]
        made.faults.synced();
        Ok((made, found))
    }

    /// Opens the file of a slot for reading only.
    pub(crate) fn open(dir: &Path, slot: usize) -> io::Result<Self> {
        let path = path(dir, slot);
        Self::new(File::open(&path)?, &path)
    }

    #[cfg_attr(not(test), expect(unused_variables, reason = "only tests need to find the file again"))]
    fn new(file: File, path: &Path) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let capacity = length - length % ALIGN;
        Ok(Self {
            file,
            capacity,
            #[cfg(test)]
            faults: faults::Faults::new(path),
        })
    }

    /// Length of the file when it was opened, in bytes.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// One positioned plain write.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.check()?;
        self.file.write_all_at(bytes, offset)
    }

    /// As many of the bytes as can be written from `offset` on: how many those are, and why the rest was not.
    pub(crate) fn write_most(&self, bytes: &[u8], offset: u64) -> (usize, io::Result<()>) {
        #[cfg(test)]
        if let Err(error) = self.faults.check() {
            return (0, Err(error));
        }
        #[cfg(test)]
        let (bytes, torn) = self.faults.tear(bytes);
        #[cfg(not(test))]
        let torn = Ok(());
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write_at(&bytes[written..], offset + written as u64) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, torn)
    }

    /// Fills `buffer` from `offset` as far as the file goes; returns how many bytes that were.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Replaces `buffer` by the whole file.
    pub(crate) fn read_whole(&self, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.resize(usize::try_from(self.capacity).map_err(io::Error::other)?, 0);
        let length = self.read_at(buffer, 0)?;
        buffer.truncate(length);
        Ok(())
    }

    /// Whether nothing was ever written, as far as the beginning shows.
    pub(crate) fn is_blank(&self) -> io::Result<bool> {
        let mut beginning = vec![0; BLANK_CHECK];
        let length = self.read_at(&mut beginning, 0)?;
        Ok(beginning[..length].iter().all(|byte| *byte == 0))
    }

    /// Forces to the disk what was written, by whichever process.
    pub(crate) fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        self.faults.check()?;
        self.file.sync_data()?;
        #[cfg(test)]
        self.faults.synced();
        Ok(())
    }

    pub(crate) fn header(&self) -> io::Result<Block<Header>> {
        self.block(0)
    }

    pub(crate) fn note(&self) -> io::Result<Block<Note>> {
        self.block(NOTE_AT)
    }

    pub(crate) fn write_header(&self, header: &Header) -> io::Result<()> {
        self.write_block(header, 0)
    }

    pub(crate) fn write_note(&self, note: &Note) -> io::Result<()> {
        self.write_block(note, NOTE_AT)
    }

    fn block<T: DeserializeOwned>(&self, offset: u64) -> io::Result<Block<T>> {
        let mut bytes = [0; BLOCK];
        self.read_at(&mut bytes, offset)?;
        Ok(header::decode(&bytes))
    }

    fn write_block<T: Serialize>(&self, value: &T, offset: u64) -> io::Result<()> {
        self.write_at(&header::encode(value).map_err(io::Error::other)?, offset)
    }
}

/// Where the file of a slot lies.
pub(crate) fn path(dir: &Path, slot: usize) -> PathBuf {
    dir.join(format!("segment-{slot:04}"))
}

/// How many slots `dir` has: one more than the highest number in use, 0 if there is none.
pub(crate) fn count_slots(dir: &Path) -> io::Result<usize> {
    let mut slots = 0;
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("segment-")?.parse::<usize>().ok());
        slots = slots.max(number.filter(|number| *number < MAX_SLOTS).map_or(0, |number| number + 1));
    }
    Ok(slots)
}

/// Reserves the file's blocks, so that a disk that fills up later does not stop the writer.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(file, bytes),
        Err(error) => Err(error.into()),
    }
}

/// For file systems that cannot reserve: blocks are reserved by writing them.
fn write_zeros(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; 64 * 1024];
    let mut offset = file.metadata()?.len();
    while offset < bytes {
        let length = zeros.len().min(usize::try_from(bytes - offset).unwrap_or(zeros.len()));
        file.write_all_at(&zeros[..length], offset)?;
        offset += length as u64;
    }
    Ok(())
}
