use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::digest::{Digest, Hasher};
use crate::HubError;

/// Pieces that wait to be written; a server is not read faster than the disk takes it.
const WAITING: usize = 32;

/// The partial file of a blob. Pieces are hashed and written by a thread of their own, so that neither holds up the network.
#[derive(Debug)]
pub(crate) struct Sink {
    path: PathBuf,
    pieces: mpsc::Sender<Bytes>,
    writer: JoinHandle<io::Result<String>>,
    /// Bytes that are in it, or on their way.
    length: u64,
}

// === impl Sink ===

impl Sink {
    /// Opens what an earlier try left, or begins anew; at most `size` bytes are kept.
    pub(crate) async fn open(path: &Path, digest: &Digest, size: u64) -> Result<Self, HubError> {
        let hasher = digest.hasher(size);
        let opened = tokio::task::spawn_blocking({
            let path = path.to_owned();
            move || open(&path, hasher, size)
        });
        let io = |cause| HubError::io(path, cause);
        let (file, hasher, length) = opened.await.unwrap_or_else(|e| Err(io::Error::other(e))).map_err(io)?;
        let (pieces, waiting) = mpsc::channel(WAITING);
        let writer = tokio::task::spawn_blocking(move || write(file, hasher, waiting));
        Ok(Self { path: path.to_owned(), pieces, writer, length })
    }

    /// Bytes that are in it, or on their way.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Appends a piece.
    pub(crate) async fn push(&mut self, piece: Bytes) -> Result<(), HubError> {
        let length = piece.len() as u64;
        if self.pieces.send(piece).await.is_ok() {
            self.length += length;
            return Ok(());
        }
        // The writer has ended, so something is wrong with the file.
        let ended = (&mut self.writer).await.unwrap_or_else(|e| Err(io::Error::other(e)));
        let cause = ended.err().unwrap_or_else(|| io::Error::other("the writer ended early"));
        Err(HubError::io(&self.path, cause))
    }

    /// Everything on the disk, and what it is.
    pub(crate) async fn finish(self) -> Result<String, HubError> {
        let Self { path, pieces, writer, .. } = self;
        drop(pieces);
        writer.await.unwrap_or_else(|e| Err(io::Error::other(e))).map_err(|cause| HubError::io(path, cause))
    }
}

fn open(path: &Path, mut hasher: Hasher, size: u64) -> io::Result<(File, Hasher, u64)> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let kept = file.metadata()?.len();
    if kept > size {
        file.set_len(0)?;
        return Ok((file, hasher, 0));
    }
    let (mut buffer, mut length) = (vec![0; 1 << 20], 0);
    loop {
        // Leaves the file at its end, where writing goes on.
        let read = io::Read::take(&mut file, kept - length).read(&mut buffer)?;
        if read == 0 {
            return Ok((file, hasher, length));
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
}

fn write(mut file: File, mut hasher: Hasher, mut pieces: mpsc::Receiver<Bytes>) -> io::Result<String> {
    while let Some(piece) = pieces.blocking_recv() {
        file.write_all(&piece)?;
        hasher.update(&piece);
    }
    file.sync_all()?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_goes_on_where_it_was_and_knows_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.incomplete");
        let digest = Digest::git("ce013625030ba8dba906f756967f9e9ca394464a").unwrap();
        std::fs::write(&path, "hel").unwrap();
        let mut sink = Sink::open(&path, &digest, 6).await.unwrap();
        assert_eq!(sink.length(), 3);
        sink.push(Bytes::from_static(b"lo\n")).await.unwrap();
        assert_eq!((sink.length(), sink.finish().await.unwrap().as_str()), (6, digest.as_str()));
        // What is longer than it can be is not what we look for.
        let sink = Sink::open(&path, &digest, 5).await.unwrap();
        assert_eq!(sink.length(), 0);
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_is_told() {
        let digest = Digest::git("ce013625030ba8dba906f756967f9e9ca394464a").unwrap();
        let mut sink = Sink::open(Path::new("/dev/full"), &digest, u64::MAX).await.unwrap();
        let mut pushed = Ok(());
        for _ in 0..1_000 {
            pushed = sink.push(Bytes::from_static(&[0; 4096])).await;
            if pushed.is_err() {
                break;
            }
        }
        assert!(matches!(pushed, Err(HubError::Full { .. })), "{pushed:?}");
    }
}
