use std::collections::BTreeMap;
use std::time::Duration;

use ambient::Rng;
use futures_util::FutureExt as _;
use futures_util::stream::{StreamExt as _, iter};
use serde::Serialize;
use tokio::sync::watch;

use crate::cache::Folder;
use crate::http::Http;
use crate::listing::{Listing, RemoteFile};
use crate::pull::{Fetch, Meter};
use crate::weights::superfluous;
use crate::{Cache, Glob, HubError, Progress, Repository, Revision, Settings};

/// Bytes that stay free on the disk of the cache.
const SPARED: u64 = 16 << 20;
/// Names of files that are shown where nothing fits.
const SHOWN: usize = 8;
/// No more files at once, whatever is asked for.
const MOST_PARALLEL: usize = 16;

/// One endpoint and one cache.
#[derive(Clone, Debug)]
pub struct Hub {
    pub(crate) settings: Settings,
    pub(crate) http: Http,
    rng: Rng,
}

/// What to fetch.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The model.
    pub repository: Repository,
    /// Which state of it.
    pub revision: Revision,
    /// Which of its files.
    pub choice: Choice,
}

/// Which files of a model.
#[derive(Clone, Debug)]
pub enum Choice {
    /// All.
    All,
    /// Those that fit any of these.
    Fitting(Vec<Glob>),
    /// What an engine reads: of weights in several formats, one.
    ForEngine,
}

/// What is there now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// The commit that the revision is.
    pub commit: String,
    /// The folder with its files.
    pub path: std::path::PathBuf,
    /// Files that were asked for.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Bytes that came over the network just now.
    pub fetched_bytes: u64,
}

// === impl Hub ===

impl Hub {
    /// Fails where TLS cannot be set up.
    pub fn new(settings: Settings, rng: Rng) -> Result<Self, HubError> {
        let http = Http::new(settings.endpoint.clone(), settings.token.as_ref(), settings.patience)?;
        Ok(Self { settings, http, rng })
    }

    /// The cache that it fetches into.
    pub fn cache(&self) -> Cache {
        Cache::new(&self.settings.cache)
    }

    /// Fetches what is missing. Dropped halfway, it leaves what it has for the next time.
    pub async fn pull(&self, wish: &Wish, progress: &watch::Sender<Progress>) -> Result<Pulled, HubError> {
        if self.settings.offline {
            return Err(HubError::Offline);
        }
        let listing = self.listing(&wish.repository);
        let commit = listing.commit(&wish.revision).await?;
        let files = wish.choose(listing.files(&commit).await?)?;
        let folder = self.cache().folder(&wish.repository)?;
        let contents = by_content(&files);
        let bytes = contents.iter().fold(0_u64, |sum, (file, _)| sum.saturating_add(file.size));
        self.check_room(&folder, &contents)?;
        let meter = Meter::new(files.len() as u64, bytes);
        let fetch = Fetch {
            listing,
            folder: &folder,
            commit: &commit,
            patience: self.settings.patience,
            rng: &self.rng,
            meter: &meter,
        };
        progress.send_replace(meter.progress(0.0));
        tokio::select! {
            fetched = self.fetch_all(&fetch, &contents) => fetched?,
            () = meter.tell(progress) => {}
        }
        for file in &files {
            folder.link(&commit, &file.path, &file.digest)?;
        }
        folder.set_ref(&wish.revision, &commit)?;
        progress.send_replace(Progress { seconds_left: Some(0), ..meter.progress(0.0) });
        Ok(Pulled {
            path: folder.snapshot(&commit),
            commit: commit.to_string(),
            files: files.len() as u64,
            bytes,
            fetched_bytes: meter.all_that_came(),
        })
    }

    async fn fetch_all(&self, fetch: &Fetch<'_>, contents: &[(RemoteFile, u64)]) -> Result<(), HubError> {
        let parallel = self.settings.parallel.clamp(1, MOST_PARALLEL);
        let each: Vec<_> = contents.iter().map(|(file, copies)| fetch.file(file, *copies).boxed()).collect();
        let mut ended = iter(each).buffer_unordered(parallel);
        // The first failure ends the others; what they have is kept.
        while let Some(done) = ended.next().await {
            done?;
        }
        Ok(())
    }

    pub(crate) fn listing<'a>(&'a self, repository: &'a Repository) -> Listing<'a> {
        Listing { http: &self.http, repository, patience: self.settings.patience, rng: &self.rng }
    }

    fn check_room(&self, folder: &Folder, contents: &[(RemoteFile, u64)]) -> Result<(), HubError> {
        let missing = contents.iter().map(|(file, _)| folder.missing(&file.digest, file.size));
        let needed = missing.fold(0_u64, u64::saturating_add);
        if needed == 0 {
            return Ok(());
        }
        let available = self.cache().available()?;
        let needed = needed.saturating_add(SPARED);
        if needed > available {
            return Err(HubError::NoRoom { path: self.settings.cache.clone(), needed, available });
        }
        Ok(())
    }
}

// === impl Wish ===

impl Wish {
    /// Those of the files that are wished for.
    fn choose(&self, mut files: Vec<RemoteFile>) -> Result<Vec<RemoteFile>, HubError> {
        let some: Vec<_> = files.iter().take(SHOWN).map(|file| file.path.clone()).collect();
        match &self.choice {
            Choice::All => {}
            Choice::Fitting(globs) => files.retain(|file| globs.iter().any(|glob| glob.matches(&file.path))),
            Choice::ForEngine => {
                let left_out = superfluous(files.iter().map(|file| file.path.as_str()));
                files.retain(|file| !left_out.contains(&file.path));
            }
        }
        if files.is_empty() {
            let some = if some.is_empty() { "none at all".to_owned() } else { some.join(", ") };
            return Err(HubError::NothingFits { repository: self.repository.to_string(), some });
        }
        Ok(files)
    }
}

// === impl Choice ===

impl From<Vec<Glob>> for Choice {
    /// No pattern at all means all files.
    fn from(globs: Vec<Glob>) -> Self {
        if globs.is_empty() { Self::All } else { Self::Fitting(globs) }
    }
}

/// Each content once, with the number of paths that lead to it; the largest first, so that it is not alone at the end.
fn by_content(files: &[RemoteFile]) -> Vec<(RemoteFile, u64)> {
    let mut contents: BTreeMap<_, (RemoteFile, u64)> = BTreeMap::new();
    for file in files {
        contents.entry(file.digest.clone()).or_insert_with(|| (file.clone(), 0)).1 += 1;
    }
    let mut contents: Vec<_> = contents.into_values().collect();
    contents.sort_by_key(|(file, _)| std::cmp::Reverse(file.size));
    contents
}

/// How long a lock of somebody else is waited for before it is looked at again.
pub(crate) const LOCK_POLL: Duration = Duration::from_millis(200);
