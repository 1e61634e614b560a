use std::fmt;

use serde::Serialize;

use crate::output;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Neither good nor bad: a machine without a GPU is a normal state.
    Info,
    /// It works, but somebody should look.
    Warn,
    /// It does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What was looked at, in one or two words.
    pub(super) name: &'static str,
    /// How it came out.
    pub(super) verdict: Verdict,
    /// What was seen.
    pub(super) message: String,
    /// What to do; empty where nothing has to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) advice: String,
    /// Section of the guide, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) guide: Option<&'static str>,
}

// === impl Check ===

impl Check {
    pub(super) fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, message: message.into(), advice: String::new(), guide: None }
    }

    pub(super) fn info(name: &'static str, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Info, ..Self::ok(name, message) }
    }

    /// `guide` is a section of the guide: `operations.md#disk`.
    pub(super) fn warn(name: &'static str, message: impl Into<String>, advice: &str, guide: &'static str) -> Self {
        Self { verdict: Verdict::Warn, advice: advice.to_owned(), guide: Some(guide), ..Self::ok(name, message) }
    }

    /// `guide` is a section of the guide: `operations.md#disk`.
    pub(super) fn fail(name: &'static str, message: impl Into<String>, advice: &str, guide: &'static str) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(name, message, advice, guide) }
    }
}

impl fmt::Display for Check {
    /// One line, and a second one where there is something to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:4}  {:10}  {}", self.verdict, self.name, output::plain(&self.message))?;
        if let Some(guide) = self.guide {
            write!(f, "\n{:18}{} (docs/{guide})", "", output::plain(&self.advice))?;
        }
        Ok(())
    }
}

// === impl Verdict ===

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_under_what_was_seen() {
        assert_eq!(Check::ok("disk", "80 GiB free").to_string(), "ok    disk        80 GiB free");
        let check = Check::fail("disk", "full", "make room", "operations.md#disk");
        assert_eq!(check.to_string(), "FAIL  disk        full\n                  make room (docs/operations.md#disk)");
    }
}
