use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::File;

// === impl File ===

impl File {
    /// As git names it.
    pub(super) fn oid(&self) -> String {
        let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        context.update(format!("blob {}\0", self.content.len()).as_bytes());
        context.update(&self.content);
        hex::encode(context.finish())
    }

    /// The name of a large file.
    pub(super) fn sha256(&self) -> String {
        hex::encode(digest(&SHA256, &self.content))
    }

    /// What it is known by.
    pub(super) fn etag(&self) -> String {
        if self.large { self.sha256() } else { self.oid() }
    }
}
