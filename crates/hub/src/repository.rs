use std::fmt;
use std::str::FromStr;

/// Characters that a name may have at most; the Hub's own bound.
const MAX_LENGTH: usize = 96;
/// In front of the folders of models.
const KIND: &str = "models--";
/// What stands for the slash in the name of a folder.
const SLASH: &str = "--";

/// A model's name at the Hub, as `Qwen/Qwen3-8B` or `gpt2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

/// What was given is no name of a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no name of a model at the Hub: {why}; write it as ORGANISATION/NAME, as in Qwen/Qwen3-8B")]
pub struct UnfitRepository {
    name: String,
    why: &'static str,
}

// === impl Repository ===

impl Repository {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder of the cache that holds it.
    pub(crate) fn folder(&self) -> String {
        format!("{KIND}{}", self.0.replace('/', SLASH))
    }

    /// From the name of a folder of the cache; none if that holds no model.
    pub(crate) fn of_folder(folder: &str) -> Option<Self> {
        folder.strip_prefix(KIND)?.replacen(SLASH, "/", 1).parse().ok()
    }
}

impl FromStr for Repository {
    type Err = UnfitRepository;

    fn from_str(name: &str) -> Result<Self, UnfitRepository> {
        match fault(name) {
            None => Ok(Self(name.to_owned())),
            Some(why) => Err(UnfitRepository { name: shown(name), why }),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn fault(name: &str) -> Option<&'static str> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let parts: Vec<&str> = name.split('/').collect();
    let is_bare = |part: &&str| part.is_empty() || part.starts_with(['-', '.']) || part.ends_with(['-', '.']);
    let rules = [
        (name.is_empty(), "it is empty"),
        (name.len() > MAX_LENGTH, "it has more than 96 characters"),
        (!name.chars().all(is_fit), "it has characters other than letters, digits, `-`, `_`, `.` and one `/`"),
        (parts.len() > 2, "it has more than one `/`"),
        (parts.iter().any(is_bare), "a part of it is empty, or begins or ends with `-` or `.`"),
        (name.contains("..") || name.contains("--"), "it has `..` or `--` in it"),
        (name.to_ascii_lowercase().ends_with(".git"), "it ends with `.git`"),
    ];
    rules.into_iter().find(|(applies, _)| *applies).map(|(_, why)| why)
}

/// What was typed, fit for a terminal and not endless.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(MAX_LENGTH).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_folder_are_told_from_each_other() {
        for (name, folder) in [("Qwen/Qwen3-8B", "models--Qwen--Qwen3-8B"), ("gpt2", "models--gpt2")] {
            let repository: Repository = name.parse().unwrap();
            assert_eq!(repository.folder(), folder);
            assert_eq!(Repository::of_folder(folder), Some(repository));
        }
        assert_eq!(Repository::of_folder("datasets--a--b"), None);
        assert_eq!(Repository::of_folder("models--"), None);
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let long = "a".repeat(97);
        for name in [
            "", "..", "../x", "a/..", "/etc", "a//b", "a/b/c", "a b", "a\nb", "a--b/c", "-a/b", "a/b.", "a/b.git",
            "ä/b", "a\\b", "a/b?x", "a/b#x", "a/%2e%2e", &long,
        ] {
            let refused = name.parse::<Repository>().unwrap_err().to_string();
            assert!(refused.contains("Qwen/Qwen3-8B") && !refused.contains('\n'), "{name}: {refused}");
        }
    }
}
