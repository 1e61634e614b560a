use std::collections::BTreeMap;

use http::StatusCode;

use crate::http::Tries;
use crate::listing::Listing;
use crate::revision::Commit;
use crate::{Hub, HubError, Repository, Revision};

/// Bytes that a file may have that is only looked at: the longest lists of tensors have some 10 MiB.
const MAX_READ: usize = 32 << 20;

/// Tags of a model that are looked at.
const MAX_TAGS: usize = 256;

/// What a revision holds, without its large files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The commit that the revision is.
    pub commit: String,
    /// Bytes of each file.
    pub sizes: BTreeMap<String, u64>,
    /// Those of the files that were asked for and are there.
    pub contents: BTreeMap<String, Vec<u8>>,
    /// What the model does, in the Hub's words, as `text-generation`; then its tags. At most 256.
    pub tags: Vec<String>,
}

// === impl Hub ===

impl Hub {
    /// What a revision holds, and what stands in those of its files whose paths are in `read`. Nothing is kept.
    pub async fn look(&self, repository: &Repository, revision: &Revision, read: &[&str]) -> Result<Look, HubError> {
        if self.settings.offline {
            return Err(HubError::Offline);
        }
        let listing = self.listing(repository);
        let (commit, info) = listing.info(revision).await?;
        let tags = info.pipeline_tag.into_iter().chain(info.tags).take(MAX_TAGS).collect();
        let files = listing.files(&commit).await?;
        let sizes: BTreeMap<_, _> = files.into_iter().map(|file| (file.path, file.size)).collect();
        let mut contents = BTreeMap::new();
        for path in read.iter().filter(|path| sizes.contains_key(**path)) {
            contents.insert((*path).to_owned(), self.read(&listing, &commit, path).await?);
        }
        Ok(Look { commit: commit.to_string(), sizes, contents, tags })
    }

    async fn read(&self, listing: &Listing<'_>, commit: &Commit, path: &str) -> Result<Vec<u8>, HubError> {
        let url = listing.file_url(commit, path)?;
        let patience = self.settings.patience;
        let mut tries = Tries::new(patience, listing.rng);
        loop {
            let failure = match self.http.get(&url, None).await {
                Ok(answer) if answer.status() == StatusCode::OK => match answer.bytes(&patience, MAX_READ).await {
                    Ok(bytes) => return Ok(bytes),
                    Err(failure) => failure,
                },
                Ok(answer) => listing.refusal(&answer, &Revision::from(commit)),
                Err(failure) => failure,
            };
            tries.wait(failure).await?;
        }
    }
}
