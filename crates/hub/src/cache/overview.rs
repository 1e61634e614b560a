use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ambient::Timestamp;
use serde::Serialize;

use super::{Cache, CacheError, Folder, names};
use crate::Repository;
use crate::revision::Commit;

/// Folders within folders that a snapshot or a ref may have.
const MAX_DEPTH: usize = 32;

/// A model in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CachedModel {
    /// Its name at the Hub.
    pub model: String,
    /// Bytes that it takes: each content once, however many revisions have it, and what is not whole yet.
    pub bytes: u64,
    /// Bytes of files that are not whole yet.
    pub incomplete_bytes: u64,
    /// Its revisions, the newest first.
    pub revisions: Vec<CachedRevision>,
}

/// A revision of a model in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CachedRevision {
    /// Its commit.
    pub commit: String,
    /// Branches and tags that lead to it.
    pub refs: Vec<String>,
    /// Files of it that are there.
    pub files: u64,
    /// Bytes of these, each content once.
    pub bytes: u64,
    /// Bytes that no other revision has: what its removal frees.
    pub own_bytes: u64,
    /// When it was fetched, in seconds since 1970.
    pub fetched_at: i64,
}

/// The blobs that a snapshot leads to, with their sizes.
pub(super) type Blobs = BTreeMap<String, u64>;

/// A snapshot as it lies there.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) commit: Commit,
    pub(super) blobs: Blobs,
    files: u64,
    fetched_at: i64,
}

// === impl Cache ===

impl Cache {
    /// All models, by name.
    pub fn models(&self) -> Result<Vec<CachedModel>, CacheError> {
        let found = names(self.path())?;
        let repositories = found.iter().filter_map(|name| Repository::of_folder(name));
        let mut models = repositories.map(|name| self.model(&name)).collect::<Result<Vec<_>, _>>()?;
        models.sort_by(|a, b| a.model.cmp(&b.model));
        Ok(models)
    }

    fn model(&self, repository: &Repository) -> Result<CachedModel, CacheError> {
        let folder = Folder::new(self.path(), repository);
        let snapshots = snapshots(&folder)?;
        let refs = refs(&folder);
        let (mut bytes, mut incomplete_bytes) = (0, 0);
        for name in names(&folder.blobs())? {
            let size = fs::metadata(folder.blobs().join(&name)).map_or(0, |meta| meta.size());
            bytes += size;
            incomplete_bytes += if name.ends_with(".incomplete") { size } else { 0 };
        }
        let mut revisions: Vec<_> = snapshots
            .iter()
            .map(|snapshot| CachedRevision {
                commit: snapshot.commit.to_string(),
                refs: refs
                    .iter()
                    .filter(|(_, to)| *to == snapshot.commit.as_str())
                    .map(|(name, _)| name.clone())
                    .collect(),
                files: snapshot.files,
                bytes: snapshot.blobs.values().sum(),
                own_bytes: own(snapshot, &snapshots).values().sum(),
                fetched_at: snapshot.fetched_at,
            })
            .collect();
        revisions.sort_by_key(|revision| std::cmp::Reverse(revision.fetched_at));
        Ok(CachedModel { model: repository.to_string(), bytes, incomplete_bytes, revisions })
    }
}

// === impl CachedRevision ===

impl CachedRevision {
    /// When it was fetched.
    pub const fn fetched(&self) -> Timestamp {
        Timestamp::from_micros(self.fetched_at.saturating_mul(1_000_000))
    }
}

/// Blobs that no other snapshot leads to.
pub(super) fn own(snapshot: &Snapshot, all: &[Snapshot]) -> Blobs {
    let others = all.iter().filter(|other| other.commit != snapshot.commit);
    let shared: BTreeSet<_> = others.flat_map(|other| other.blobs.keys()).collect();
    snapshot.blobs.iter().filter(|(name, _)| !shared.contains(name)).map(|(name, size)| (name.clone(), *size)).collect()
}

/// The snapshots of a model.
pub(super) fn snapshots(folder: &Folder) -> Result<Vec<Snapshot>, CacheError> {
    let root = folder.path().join("snapshots");
    let commits = names(&root)?;
    Ok(commits.iter().filter_map(|name| Commit::new(name)).map(|commit| snapshot(folder, commit)).collect())
}

fn snapshot(folder: &Folder, commit: Commit) -> Snapshot {
    let path = folder.snapshot(&commit);
    let fetched_at = fs::metadata(&path).map_or(0, |meta| meta.mtime());
    let mut found = Snapshot { commit, blobs: Blobs::new(), files: 0, fetched_at };
    walk(&path, MAX_DEPTH, &mut |file| {
        found.files += 1;
        let Ok(target) = fs::read_link(file) else { return };
        let name = target.file_name().and_then(|name| name.to_str());
        if let Some(name) = name
            && let Ok(meta) = fs::metadata(folder.blobs().join(name))
        {
            found.blobs.insert(name.to_owned(), meta.size());
        }
    });
    found
}

/// Branches and tags, and the commits that they lead to.
pub(super) fn refs(folder: &Folder) -> Vec<(String, String)> {
    let root = folder.refs();
    let mut refs = Vec::new();
    walk(&root, MAX_DEPTH, &mut |file| {
        let name = file.strip_prefix(&root).ok().and_then(Path::to_str);
        if let (Some(name), Ok(commit)) = (name, fs::read_to_string(file)) {
            refs.push((name.to_owned(), commit.trim().to_owned()));
        }
    });
    refs.sort_unstable();
    refs
}

/// All files below a folder; links are files, wherever they lead.
fn walk(folder: &Path, depth: usize, each: &mut impl FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => walk(&entry.path(), depth - 1, each),
            Ok(kind) if !kind.is_dir() => each(&entry.path()),
            _ => {}
        }
    }
}
