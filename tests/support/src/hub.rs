//! A stand-in for the Hugging Face Hub: its API, its files, and a second server to which large files are redirected, as the
//! Hub does with its CDN. It can fail in all the ways that networks and servers do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::task::JoinHandle;

mod answer;
mod digest;
mod serve;

/// The commit of every repository that nobody gave another one.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The Hub and its CDN.
#[derive(Debug)]
pub struct HubServer {
    url: String,
    state: Arc<State>,
    tasks: [JoinHandle<()>; 2],
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, with these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// The connection breaks after so many bytes of the body.
    Cut(usize),
    /// Nothing comes any more after so many bytes of the body.
    Stall(usize),
    /// One bit is another one.
    Wrong,
    /// A page for people comes.
    Page,
    /// The range that was asked for is ignored.
    Whole,
    /// Another range than that which was asked for comes.
    OtherRange,
    /// A redirect to this address; `{self}` is the address that was asked for.
    Redirect(String),
    /// So many bytes a second, in small pieces.
    Slow(usize),
    /// More bytes than the file has.
    More,
}

/// A request, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it came to the CDN.
    pub cdn: bool,
    /// Its path, with the query.
    pub path: String,
    /// What it presented.
    pub authorization: Option<String>,
    /// The range that it asked for.
    pub range: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    hub: Option<SocketAddr>,
    cdn: Option<SocketAddr>,
    repositories: BTreeMap<String, Repository>,
    faults: Vec<Planned>,
    seen: Vec<Seen>,
}

#[derive(Clone, Debug)]
struct Repository {
    commit: String,
    revisions: Vec<String>,
    files: BTreeMap<String, File>,
    /// Opens it to this token only; what the Hub says of it to others.
    token: Option<(String, &'static str)>,
    /// In place of the list of its files.
    listing: Option<Value>,
    page: usize,
    /// What the model does, in the Hub's words.
    pipeline: Option<String>,
}

#[derive(Clone, Debug)]
struct File {
    content: Bytes,
    large: bool,
}

/// A fault, for the next so many requests whose path has `on` in it.
#[derive(Clone, Debug)]
struct Planned {
    on: String,
    times: usize,
    fault: Fault,
}

// === impl HubServer ===

impl HubServer {
    /// Starts both servers, on loopback addresses of their own.
    pub async fn start() -> Self {
        let state = Arc::new(State::default());
        let (hub, on_hub) = serve::listen(state.clone(), false).await;
        let (cdn, on_cdn) = serve::listen(state.clone(), true).await;
        {
            let mut inner = state.lock();
            (inner.hub, inner.cdn) = (Some(hub), Some(cdn));
        }
        Self { url: format!("http://{hub}"), state, tasks: [on_hub, on_cdn] }
    }

    /// What `HF_ENDPOINT` is set to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Adds a file to a repository, which is made if it is not there. Large files come from the CDN, with a SHA-256.
    pub fn file(&self, repository: &str, path: &str, content: impl Into<Bytes>, large: bool) -> &Self {
        self.with(repository, |repository| {
            repository.files.insert(path.to_owned(), File { content: content.into(), large });
        })
    }

    /// Moves a repository's `main` to another commit.
    pub fn commit(&self, repository: &str, commit: &str) -> &Self {
        self.with(repository, |repository| commit.clone_into(&mut repository.commit))
    }

    /// Adds a tag or a branch that leads to the same commit.
    pub fn tag(&self, repository: &str, name: &str) -> &Self {
        self.with(repository, |repository| repository.revisions.push(name.to_owned()))
    }

    /// Opens a repository to those with this token only; others hear `code`: `GatedRepo` or `RepoNotFound`.
    pub fn closed(&self, repository: &str, token: &str, code: &'static str) -> &Self {
        self.with(repository, |repository| repository.token = Some((token.to_owned(), code)))
    }

    /// Lists this in place of a repository's files.
    pub fn lists(&self, repository: &str, listing: Value) -> &Self {
        self.with(repository, |repository| repository.listing = Some(listing))
    }

    /// Says what a repository's model does.
    pub fn pipeline(&self, repository: &str, tag: &str) -> &Self {
        self.with(repository, |repository| repository.pipeline = Some(tag.to_owned()))
    }

    /// Lists so many files a page.
    pub fn pages(&self, repository: &str, size: usize) -> &Self {
        self.with(repository, |repository| repository.page = size)
    }

    /// The next `times` requests whose path has `on` in it come to this. Those planned first come first.
    pub fn fault(&self, on: &str, times: usize, fault: Fault) -> &Self {
        self.state.lock().faults.push(Planned { on: on.to_owned(), times, fault });
        self
    }

    /// No fault is left.
    pub fn heal(&self) {
        self.state.lock().faults.clear();
    }

    /// All requests so far, and none from now on.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.lock().seen)
    }

    fn with(&self, name: &str, change: impl FnOnce(&mut Repository)) -> &Self {
        let mut inner = self.state.lock();
        change(inner.repositories.entry(name.to_owned()).or_insert_with(|| Repository {
            commit: COMMIT.to_owned(),
            revisions: vec!["main".to_owned()],
            files: BTreeMap::new(),
            token: None,
            listing: None,
            page: 1_000,
            pipeline: None,
        }));
        drop(inner);
        self
    }
}

impl Drop for HubServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

// === impl State ===

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

// === impl Inner ===

impl Inner {
    /// The fault that is planned for a path, if any is.
    fn next_fault(&mut self, path: &str) -> Option<Fault> {
        let planned = self.faults.iter_mut().find(|planned| planned.times > 0 && path.contains(&planned.on))?;
        planned.times -= 1;
        Some(planned.fault.clone())
    }
}
