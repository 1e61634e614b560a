use std::fs;
use std::path::Path;

use ambient::Rng;
use http::{StatusCode, header};

use super::{Meter, sink::Sink};
use crate::cache::{BlobLock, Folder};
use crate::http::{Answer, Failure, Tries};
use crate::listing::{Listing, RemoteFile};
use crate::revision::Commit;
use crate::{HubError, Patience, Revision};

/// What a piece of a file may bring too much before it is believed to be another file.
const ONCE_MORE: u32 = 1;

/// Fetches the content of files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch<'a> {
    pub(crate) listing: Listing<'a>,
    pub(crate) folder: &'a Folder,
    pub(crate) commit: &'a Commit,
    pub(crate) patience: Patience,
    pub(crate) rng: &'a Rng,
    pub(crate) meter: &'a Meter,
}

// === impl Fetch ===

impl Fetch<'_> {
    /// Makes sure that the blob of a file is there; `copies` paths lead to it.
    pub(crate) async fn file(&self, file: &RemoteFile, copies: u64) -> Result<(), HubError> {
        self.meter.begin(&file.path);
        // Whoever else fetches this, here or in Python, does it first.
        let lock = BlobLock::take(self.folder, &file.digest).await?;
        if self.folder.has_blob(&file.digest, file.size) {
            self.meter.had(file.size);
        } else {
            self.content(file).await?;
        }
        drop(lock);
        self.meter.end(&file.path, copies);
        Ok(())
    }

    async fn content(&self, file: &RemoteFile) -> Result<(), HubError> {
        let partial = self.folder.partial(&file.digest);
        let mut again = 0;
        loop {
            let mut sink = Sink::open(&partial, &file.digest, file.size).await?;
            let had = sink.length();
            self.meter.had(had);
            self.rest(file, &mut sink).await?;
            let found = sink.finish().await?;
            if found == file.digest.as_str() {
                let blob = self.folder.blob(&file.digest);
                return fs::rename(&partial, &blob).map_err(|cause| HubError::io(blob, cause));
            }
            remove(&partial)?;
            self.meter.lost(file.size);
            tracing::warn!(file = file.path, expected = file.digest.as_str(), found, had, "wrong checksum");
            // What an earlier try left may have been the broken part.
            if had == 0 || again == ONCE_MORE {
                let why = format!("its checksum is {found}, not {}", file.digest.as_str());
                return Err(HubError::Broken { file: file.path.clone(), why });
            }
            again += 1;
        }
    }

    /// What is missing, in as many pieces as the network makes of it.
    async fn rest(&self, file: &RemoteFile, sink: &mut Sink) -> Result<(), HubError> {
        let url = self.listing.file_url(self.commit, &file.path)?;
        let mut tries = Tries::new(self.patience, self.rng);
        while sink.length() < file.size {
            let before = sink.length();
            let failure = match self.listing.http.get(&url, Some(before)).await {
                Ok(answer) => self.body(file, answer, sink).await.err(),
                Err(failure) => Some(failure),
            };
            if sink.length() > before {
                tries.progressed();
            }
            if let Some(failure) = failure {
                tries.wait(failure).await?;
            }
        }
        Ok(())
    }

    async fn body(&self, file: &RemoteFile, mut answer: Answer, sink: &mut Sink) -> Result<(), Failure> {
        let begins = self.begins(file, &answer, sink.length())?;
        // A server that knows no ranges sends what we have once more.
        let mut skip = sink.length() - begins;
        while let Some(mut piece) = answer.chunk(&self.patience).await? {
            let skipped = skip.min(piece.len() as u64);
            skip -= skipped;
            drop(piece.split_to(usize::try_from(skipped).unwrap_or(usize::MAX)));
            let (length, room) = (piece.len() as u64, file.size - sink.length());
            if length > room {
                return Err(Failure::is_final(self.too_long(file)));
            }
            if length > 0 {
                sink.push(piece).await.map_err(Failure::is_final)?;
                self.meter.came(length);
            }
        }
        if sink.length() < file.size {
            let why = format!("{} of {} bytes of {} came", sink.length(), file.size, file.path);
            return Err(Failure::passing(HubError::Unreachable { host: answer.host, why }));
        }
        Ok(())
    }

    /// Where in the file an answer begins.
    fn begins(&self, file: &RemoteFile, answer: &Answer, wanted: u64) -> Result<u64, Failure> {
        let odd = |why: String| Failure::is_final(HubError::NotAHub { host: answer.host.clone(), why });
        match answer.status() {
            StatusCode::OK if is_page(file, answer) => {
                Err(odd(format!("it sent a page for people in place of {}", file.path)))
            }
            StatusCode::OK => Ok(0),
            StatusCode::PARTIAL_CONTENT => {
                let range = answer.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
                let (first, total) = range.and_then(read_range).unwrap_or((u64::MAX, None));
                if first != wanted || total.is_some_and(|total| total != file.size) {
                    return Err(odd(format!("it sent another part of {} than was asked for", file.path)));
                }
                Ok(first)
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Err(Failure::is_final(self.too_long(file))),
            // Addresses of a CDN are good for a while only; from the endpoint comes a new one.
            StatusCode::FORBIDDEN if !answer.is_endpoint => Err(Failure::passing(HubError::Refused {
                host: answer.host.clone(),
                status: 403,
                asked: format!(" ({})", file.path),
            })),
            StatusCode::NOT_FOUND => Err(odd(format!("it lists {}, and does not have it", file.path))),
            _ => Err(self.listing.refusal(answer, &Revision::from(self.commit))),
        }
    }

    fn too_long(&self, file: &RemoteFile) -> HubError {
        let _ = fs::remove_file(self.folder.partial(&file.digest));
        let why = format!("it is not of {} bytes, as was announced", file.size);
        HubError::Broken { file: file.path.clone(), why }
    }
}

/// Whether a page for people came where none was asked for.
fn is_page(file: &RemoteFile, answer: &Answer) -> bool {
    let is_meant = [".html", ".htm"].iter().any(|end| file.path.to_ascii_lowercase().ends_with(end));
    answer.is_html() && !is_meant
}

/// First byte and length of the whole, from `bytes 5-9/10`.
fn read_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

fn remove(path: &Path) -> Result<(), HubError> {
    fs::remove_file(path).map_err(|cause| HubError::io(path, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_or_refused() {
        assert_eq!(read_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(read_range("bytes 0-0/*"), Some((0, None)));
        assert_eq!(read_range("bytes */10"), None);
        assert_eq!(read_range("lines 1-2/3"), None);
    }
}
