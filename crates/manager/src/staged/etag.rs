use super::{ItemState, digest};

/// Characters of the digest of what applies.
const DIGEST: usize = 16;

// === impl ItemState ===

impl ItemState {
    /// Changes with every edit of the item, and whenever something else applies: who has seen this has seen all.
    pub(crate) fn etag(&self) -> String {
        let version = self.staged.as_ref().map_or(0, |staged| staged.version);
        let applied = self.applied.as_ref().map(digest);
        format!("\"{version}-{}\"", applied.as_deref().map_or("none", |digest| &digest[..DIGEST]))
    }

    /// Whether there is anything to be seen.
    pub(crate) fn exists(&self) -> bool {
        self.applied.is_some() || self.staged.is_some()
    }

    /// Version of the edit in an [`etag`](Self::etag); 0 if none was staged.
    pub(super) fn version_in(etag: &str) -> Option<u64> {
        etag.trim_matches('"').split_once('-')?.0.parse().ok()
    }
}
