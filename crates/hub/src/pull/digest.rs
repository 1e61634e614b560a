use std::fmt;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

/// What a file must be, and the name of its blob.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Digest {
    /// Of its content: large files.
    Sha256(String),
    /// As git names it, of a header and its content: small files.
    Git(String),
}

/// Works a digest out.
pub(crate) struct Hasher {
    context: Context,
}

// === impl Digest ===

impl Digest {
    /// From 64 hexadecimal digits.
    pub(crate) fn sha256(text: &str) -> Option<Self> {
        is_hex(text, 64).then(|| Self::Sha256(text.to_owned()))
    }

    /// From 40 hexadecimal digits.
    pub(crate) fn git(text: &str) -> Option<Self> {
        is_hex(text, 40).then(|| Self::Git(text.to_owned()))
    }

    /// As the blob is named.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Sha256(text) | Self::Git(text) => text,
        }
    }

    /// One that has seen nothing yet, for a file of `size` bytes.
    pub(crate) fn hasher(&self, size: u64) -> Hasher {
        let context = match self {
            Self::Sha256(_) => Context::new(&SHA256),
            Self::Git(_) => {
                let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                context.update(format!("blob {size}\0").as_bytes());
                context
            }
        };
        Hasher { context }
    }
}

// === impl Hasher ===

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// In hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        hex::encode(self.context.finish())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_git_and_sha256sum() {
        // echo hello | git hash-object --stdin; echo hello | sha256sum
        let git = Digest::git("ce013625030ba8dba906f756967f9e9ca394464a").unwrap();
        let sha = Digest::sha256("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03").unwrap();
        for digest in [git, sha] {
            let mut hasher = digest.hasher(6);
            hasher.update(b"hel");
            hasher.update(b"lo\n");
            assert_eq!(hasher.finish(), digest.as_str());
        }
        assert_eq!(Digest::git("../../../../../../../../../../../../../x"), None);
        assert_eq!(Digest::sha256("ABC"), None);
    }
}
