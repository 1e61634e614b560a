//! What a repository holds, as its endpoint says, checked before anything is done with it.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::http::{Answer, Failure, Http, Tries};
use crate::pull::Digest;
use crate::repository::shown;
use crate::revision::Commit;
use crate::{HubError, Patience, Repository, Revision};

mod path;

/// Files that a repository may have.
const MAX_FILES: usize = 100_000;
/// Pages that a list may have.
const MAX_PAGES: usize = 1_000;

/// What stays as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What stays as it is in the path of a file.
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteFile {
    /// Where it is below the snapshot; checked to stay there.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
}

/// Asks one endpoint for one repository.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing<'a> {
    pub(crate) http: &'a Http,
    pub(crate) repository: &'a Repository,
    pub(crate) patience: Patience,
    pub(crate) rng: &'a ambient::Rng,
}

/// What the Hub says of a revision.
#[derive(Debug, Deserialize)]
pub(crate) struct Info {
    sha: Option<String>,
    /// What the model does, in the Hub's words.
    #[serde(default)]
    pub(crate) pipeline_tag: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    oid: Option<String>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    oid: String,
    #[serde(default)]
    size: Option<u64>,
}

// === impl Listing ===

impl Listing<'_> {
    /// The commit that a revision is now.
    pub(crate) async fn commit(&self, revision: &Revision) -> Result<Commit, HubError> {
        self.info(revision).await.map(|(commit, _)| commit)
    }

    /// The same with what else the Hub says of it.
    pub(crate) async fn info(&self, revision: &Revision) -> Result<(Commit, Info), HubError> {
        let revision_text = utf8_percent_encode(revision.as_str(), SEGMENT);
        let url = self.url(&format!("/api/models/{}/revision/{revision_text}", self.repository))?;
        let (info, _): (Info, _) = self.asked(&url, revision).await?;
        let commit = info.sha.as_deref().and_then(Commit::new);
        Ok((commit.ok_or_else(|| odd(&url, "it names no commit"))?, info))
    }

    /// The files of a commit, each path once.
    pub(crate) async fn files(&self, commit: &Commit) -> Result<Vec<RemoteFile>, HubError> {
        let revision = Revision::from(commit);
        let mut url =
            self.url(&format!("/api/models/{}/tree/{commit}?recursive=true&expand=false", self.repository))?;
        let mut files = BTreeMap::new();
        for _ in 0..MAX_PAGES {
            let (entries, next): (Vec<Entry>, _) = self.asked(&url, &revision).await?;
            for entry in entries.into_iter().filter(|entry| entry.kind == "file") {
                let file = self.check(&url, entry)?;
                if files.len() == MAX_FILES {
                    return Err(odd(&url, "it lists more than 100,000 files"));
                }
                if files.insert(file.path.clone(), file).is_some() {
                    return Err(odd(&url, "it lists a file twice"));
                }
            }
            match next {
                None => return Ok(files.into_values().collect()),
                Some(next) => url = self.page(&next).ok_or_else(|| odd(&url, "its next page is elsewhere"))?,
            }
        }
        Err(odd(&url, "its list does not end"))
    }

    /// Where a file is.
    pub(crate) fn file_url(&self, commit: &Commit, path: &str) -> Result<Url, HubError> {
        let path = utf8_percent_encode(path, PATH);
        self.url(&format!("/{}/resolve/{commit}/{path}", self.repository))
    }

    /// What a status means for this repository.
    pub(crate) fn refusal(&self, answer: &Answer, revision: &Revision) -> Failure {
        let code = answer.headers().get("x-error-code").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let repository = self.repository.to_string();
        let endpoint = self.http.endpoint().to_string();
        let is_gated = code == "GatedRepo";
        let final_error = match (answer.status(), code) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) if is_gated => {
                HubError::Gated { repository, advice: self.gated_advice(&endpoint) }
            }
            (StatusCode::FORBIDDEN, _) => HubError::Gated { repository, advice: self.gated_advice(&endpoint) },
            (StatusCode::NOT_FOUND, "RevisionNotFound") => {
                HubError::NoRevision { repository, revision: revision.to_string(), endpoint }
            }
            (StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND, _) => {
                HubError::NotFound { repository, endpoint, advice: self.private_advice() }
            }
            (status, _) => return Failure::refused(&answer.host, status, answer.headers()),
        };
        Failure::is_final(final_error)
    }

    fn gated_advice(&self, endpoint: &str) -> String {
        let accept = format!("accept its conditions at {endpoint}/{}", self.repository);
        if self.http.has_token() {
            format!("{accept} with the account of this token, or give the token of one that has (HF_TOKEN)")
        } else {
            format!("{accept}, then set HF_TOKEN to a token of that account")
        }
    }

    const fn private_advice(&self) -> &'static str {
        if self.http.has_token() {
            "check the name, and that the account of this token may read it"
        } else {
            "check the name; if it is private, set HF_TOKEN to a token that may read it"
        }
    }

    /// What is at `url`, and where it goes on; asked for as often as it takes.
    async fn asked<T: DeserializeOwned>(
        &self,
        url: &Url,
        revision: &Revision,
    ) -> Result<(T, Option<String>), HubError> {
        let mut tries = Tries::new(self.patience, self.rng);
        loop {
            let failure = match self.http.get(url, None).await {
                Ok(answer) if answer.status().is_success() => {
                    let next = next_page(answer.headers());
                    match answer.json(&self.patience).await {
                        Ok(read) => return Ok((read, next)),
                        Err(failure) => failure,
                    }
                }
                Ok(answer) => self.refusal(&answer, revision),
                Err(failure) => failure,
            };
            tries.wait(failure).await?;
        }
    }

    fn check(&self, url: &Url, entry: Entry) -> Result<RemoteFile, HubError> {
        if let Some(why) = path::fault(&entry.path) {
            let repository = self.repository.to_string();
            return Err(HubError::UnfitFile { repository, name: shown(&entry.path), why });
        }
        let size = entry.lfs.as_ref().and_then(|lfs| lfs.size).unwrap_or(entry.size);
        let digest = match (&entry.lfs, &entry.oid) {
            (Some(lfs), _) => Digest::sha256(&lfs.oid),
            (None, Some(oid)) => Digest::git(oid),
            (None, None) => None,
        };
        let digest = digest.ok_or_else(|| odd(url, &format!("it tells no checksum of {}", entry.path)))?;
        Ok(RemoteFile { path: entry.path, size, digest })
    }

    fn url(&self, path: &str) -> Result<Url, HubError> {
        let url = self.http.endpoint().join(path);
        url.ok_or_else(|| HubError::NotAHub {
            host: self.http.endpoint().to_string(),
            why: "its address makes no sense".to_owned(),
        })
    }

    /// The next page, at our endpoint whatever host it names: mirrors pass on the links of the Hub.
    fn page(&self, link: &str) -> Option<Url> {
        let at = link.find("/api/models/")?;
        self.http.endpoint().join(&link[at..])
    }
}

fn odd(url: &Url, why: &str) -> HubError {
    HubError::NotAHub { host: url.host_str().unwrap_or_default().to_owned(), why: why.to_owned() }
}

/// From the header `link`.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(header::LINK)?.to_str().ok()?;
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    parameters.contains("rel=\"next\"").then(|| target.to_owned())
}
