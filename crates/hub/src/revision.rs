use std::fmt;
use std::str::FromStr;

use crate::repository::shown;

/// Characters that the name of a branch or a tag may have at most.
const MAX_LENGTH: usize = 200;

/// A branch, a tag or a commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revision(String);

/// The number of a commit: 40 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Commit(String);

/// What was given is no name of a revision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no revision: give a branch, a tag or a commit, as in main, v1.0 or 40 hexadecimal digits")]
pub struct UnfitRevision(String);

// === impl Revision ===

impl Revision {
    /// What was meant.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Commit> for Revision {
    fn from(commit: &Commit) -> Self {
        Self(commit.0.clone())
    }
}

impl Default for Revision {
    fn default() -> Self {
        Self("main".to_owned())
    }
}

impl FromStr for Revision {
    type Err = UnfitRevision;

    fn from_str(text: &str) -> Result<Self, UnfitRevision> {
        let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '@');
        let part_is_fit = |part: &str| !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with('.');
        let is_revision = (1..=MAX_LENGTH).contains(&text.len())
            && text.chars().all(is_fit)
            && !text.contains("..")
            && text.split('/').all(part_is_fit);
        is_revision.then(|| Self(text.to_owned())).ok_or_else(|| UnfitRevision(shown(text)))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Commit ===

impl Commit {
    /// If that is what it is.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 40 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_tags_and_commits_are_revisions() {
        for text in ["main", "v1.0", "refs/pr/7", "feature/x_y", &"a".repeat(40)] {
            assert_eq!(text.parse::<Revision>().unwrap().as_str(), text);
        }
        for text in
            ["", "..", "a/../b", "/main", "main/", "-x", ".hidden", "a b", "a\0", "a\n", "x?y", &"a".repeat(201)]
        {
            assert!(text.parse::<Revision>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_commit_is_forty_digits() {
        assert!(Commit::new(&"0f".repeat(20)).is_some());
        assert!(Commit::new(&"0F".repeat(20)).is_none());
        assert!(Commit::new("main").is_none());
        assert!(Commit::new("../../../../../../../../../../../etc/pwd").is_none());
    }
}
