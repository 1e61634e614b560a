use aws_lc_rs::digest::{Context, SHA256};

use crate::surface::Api;

/// What identifies a question: SHA-256 of all that its answer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

/// All that an answer depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// Whose answers these are: a namespace that is shared, or one key.
    pub(crate) owner: Owner<'a>,
    pub(crate) api: Api,
    /// Public name of the model.
    pub(crate) model: &'a str,
    /// What serves the model now: another engine behind the same name answers anew.
    pub(crate) targets: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

/// Who may be given an answer again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner<'a> {
    /// Every key of this namespace.
    Namespace(&'a str),
    /// The key with this id.
    Key(&'a str),
}

// === impl Question ===

impl Question<'_> {
    pub(crate) fn digest(&self) -> Digest {
        let mut context = Context::new(&SHA256);
        let mut add = |part: &[u8]| {
            // With its length before it, no part can reach into the next.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        };
        match self.owner {
            Owner::Namespace(name) => [b"namespace", name.as_bytes()].map(&mut add),
            Owner::Key(id) => [b"key".as_slice(), id.as_bytes()].map(&mut add),
        };
        add(self.api.as_str().as_bytes());
        add(self.model.as_bytes());
        for (deployment, upstream_model) in self.targets {
            add(deployment.as_bytes());
            add(upstream_model.as_bytes());
        }
        add(self.body);
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Digest(digest)
    }
}
