use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Resources that no scope opens for changes: who could change them would be free of any scope.
const NEVER: [&str; 3] = ["accounts", "tokens", "master-key"];

/// What somebody may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) role: Role,
    /// Resources that it is confined to; empty allows all.
    pub(crate) scopes: Vec<Scope>,
}

/// What an account or a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// May do everything.
    Admin,
    /// May look at everything but secrets, and change nothing.
    Viewer,
}

/// One resource of the API, the first part of a path behind `/api/v1/`: `keys`, or `keys:read` to look only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) resource: String,
    reads_only: bool,
}

/// What somebody wants to do to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Read,
    Change,
}

/// It is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("the role viewer may look, but change nothing; ask somebody with the role admin")]
    Viewer,
    #[error("this token is confined to {scopes}; that does not allow to {wish} {resource}")]
    Scope { scopes: String, wish: &'static str, resource: String },
}

// === impl Access ===

impl Access {
    /// To everything.
    pub(crate) const fn all() -> Self {
        Self::of(Role::Admin)
    }

    /// To everything that the role allows.
    pub(crate) const fn of(role: Role) -> Self {
        Self { role, scopes: Vec::new() }
    }

    /// Whether it allows the wish.
    pub(crate) fn check(&self, resource: &str, wish: Wish) -> Result<(), Denied> {
        if self.role == Role::Viewer && wish == Wish::Change {
            return Err(Denied::Viewer);
        }
        if self.scopes.is_empty() || self.scopes.iter().any(|scope| scope.allows(resource, wish)) {
            return Ok(());
        }
        let scopes: Vec<_> = self.scopes.iter().map(ToString::to_string).collect();
        let wish = if wish == Wish::Read { "read" } else { "change" };
        Err(Denied::Scope { scopes: scopes.join(", "), wish, resource: resource.to_owned() })
    }
}

// === impl Role ===

impl Role {
    /// As the store keeps it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
        }
    }

    /// From the store; what is not known there may do the least.
    pub(crate) fn stored(word: &str) -> Self {
        if word == Self::Admin.as_str() { Self::Admin } else { Self::Viewer }
    }
}

// === impl Scope ===

impl Scope {
    /// One that opens nothing.
    pub(crate) const fn nothing() -> Self {
        Self { resource: String::new(), reads_only: true }
    }

    fn allows(&self, resource: &str, wish: Wish) -> bool {
        self.resource == resource && (wish == Wish::Read || (!self.reads_only && !NEVER.contains(&resource)))
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (resource, reads_only) = match text.strip_suffix(":read") {
            Some(resource) => (resource, true),
            None => (text, false),
        };
        if !reads_only && NEVER.contains(&resource) {
            return Err(format!("`{resource}` cannot be a scope: it opens all the rest; only `{resource}:read` can"));
        }
        Ok(Self { resource: resource.to_owned(), reads_only })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.resource, if self.reads_only { ":read" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confined(role: Role, scopes: &[&str]) -> Access {
        Access { role, scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect() }
    }

    #[test]
    fn a_role_and_scopes_both_have_to_allow_it() {
        assert_eq!(Access::all().check("keys", Wish::Change), Ok(()));
        assert_eq!(Access::of(Role::Viewer).check("keys", Wish::Read), Ok(()));
        assert_eq!(Access::of(Role::Viewer).check("keys", Wish::Change), Err(Denied::Viewer));

        let token = confined(Role::Admin, &["keys", "usage:read"]);
        assert_eq!(token.check("keys", Wish::Change), Ok(()));
        assert_eq!(token.check("usage", Wish::Read), Ok(()));
        let denied = token.check("usage", Wish::Change).unwrap_err().to_string();
        assert!(denied.contains("keys, usage:read") && denied.contains("change usage"), "{denied}");
        assert!(token.check("teams", Wish::Read).is_err());
        assert_eq!(confined(Role::Viewer, &["keys"]).check("keys", Wish::Change), Err(Denied::Viewer));
    }

    #[test]
    fn no_scope_opens_what_would_open_all_the_rest() {
        for resource in NEVER {
            assert!(resource.parse::<Scope>().is_err(), "{resource}");
            let token = confined(Role::Admin, &[&format!("{resource}:read")]);
            assert_eq!(token.check(resource, Wish::Read), Ok(()));
            assert!(token.check(resource, Wish::Change).is_err());
        }
    }

    #[test]
    fn an_unknown_word_in_the_store_may_do_the_least() {
        assert_eq!(Role::stored("admin"), Role::Admin);
        assert_eq!(Role::stored("root"), Role::Viewer);
    }
}
