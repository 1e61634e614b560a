//! API tokens: what programs present at the admin port.

use std::net::IpAddr;
use std::time::Duration;

use ambient::Timestamp;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use serde_json::json;
use snapshot::{KeyHash, Secret};
use store::{AuditEntry, TokenChange, TokenRow};

use crate::access::{Access, Role, Scope};
use crate::keys::{UnfitField, check_name};
use crate::{Actor, Manager};

/// What every token begins with.
pub(crate) const PREFIX: &str = "ent-";
/// Bytes that a name may have.
const NAME_BYTES: usize = 64;
/// Tokens that there may be.
const MOST: usize = 1_000;
/// How far behind the store may be about when a token was used.
const NOTED_EVERY: Duration = Duration::from_secs(300);

/// Rows of all tokens as the store holds them, for reading without it.
#[derive(Debug)]
pub(crate) struct TokenTable {
    rows: RwLock<Vec<TokenRow>>,
    /// Held while tokens are changed: checks, commit and the table belong together.
    changing: tokio::sync::Mutex<()>,
}

/// A token to be made.
#[derive(Debug)]
pub(crate) struct NewToken {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// A token that was made.
#[derive(Debug)]
pub(crate) struct IssuedToken {
    /// The only time that it is known.
    pub(crate) secret: Secret,
    pub(crate) row: TokenRow,
}

/// A token cannot be made or revoked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("there is no such token")]
    NotFound,
    #[error("there is a token `{0}` already; choose another name, or revoke it first")]
    NameTaken(String),
    #[error("there are {MOST} tokens already; revoke those that nobody uses")]
    TooMany,
    #[error(transparent)]
    Field(#[from] UnfitField),
    #[error(transparent)]
    Store(#[from] store::Error),
}

// === impl TokenTable ===

impl TokenTable {
    pub(crate) fn new(mut rows: Vec<TokenRow>) -> Self {
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        Self { rows: RwLock::new(rows), changing: tokio::sync::Mutex::new(()) }
    }

    /// All tokens, by name.
    pub(crate) fn rows(&self) -> Vec<TokenRow> {
        self.rows.read().clone()
    }

    /// Held while tokens are changed, or read anew.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Takes over all tokens as they are stored; whether there were others, or they are good for something else.
    pub(crate) fn replace(&self, mut rows: Vec<TokenRow>) -> bool {
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        // When one was used may not be stored yet.
        let unused = |rows: &[TokenRow]| -> Vec<_> {
            rows.iter().map(|row| TokenRow { last_used_at: None, ..row.clone() }).collect()
        };
        let mut known = self.rows.write();
        let is_new = unused(&known) != unused(&rows);
        if is_new {
            *known = rows;
        }
        is_new
    }

    /// The token of that name.
    pub(crate) fn find(&self, name: &str) -> Result<TokenRow, TokenError> {
        self.rows.read().iter().find(|row| row.name == name).cloned().ok_or(TokenError::NotFound)
    }

    fn find_hash(&self, hash: KeyHash, now: Timestamp) -> Option<TokenRow> {
        let rows = self.rows.read();
        let found = rows.iter().find(|row| row.hash == hash);
        found.filter(|row| row.expires_at.is_none_or(|at| now < at)).cloned()
    }

    /// Notes the use of a token; whether the store should know of it too.
    fn touch(&self, hash: KeyHash, now: Timestamp) -> bool {
        let mut rows = self.rows.write();
        let Some(row) = rows.iter_mut().find(|row| row.hash == hash) else { return false };
        let is_late = row.last_used_at.is_none_or(|at| now.since(at) >= NOTED_EVERY);
        if is_late {
            row.last_used_at = Some(now);
        }
        is_late
    }

    fn put(&self, change: TokenChange<'_>) {
        let mut rows = self.rows.write();
        match change {
            TokenChange::Add(row) => {
                rows.push(row.clone());
                rows.sort_by(|a, b| a.name.cmp(&b.name));
            }
            TokenChange::Remove(row) => rows.retain(|other| other.name != row.name),
        }
    }
}

// === impl Manager ===

impl Manager {
    /// Who presents this token; none if there is no such token, or it has expired.
    pub(crate) fn token_actor(&self, presented: &str, remote: Option<IpAddr>) -> Option<Actor> {
        let (hash, now) = (KeyHash::of(presented), self.config().clock.now());
        let row = self.inner().tokens.find_hash(hash, now)?;
        if self.inner().tokens.touch(hash, now) {
            let manager = self.clone();
            // That it was used is worth a try, no more.
            self.spawn(async move { drop(manager.store().tokens().touch(hash, now).await) });
        }
        // What is not understood any more confines to nothing that there is.
        let unknown = |text: &String| text.parse().unwrap_or_else(|_| Scope::nothing());
        let access = Access { role: Role::stored(&row.role), scopes: row.scopes.iter().map(unknown).collect() };
        Some(Actor::token(&row.name, access, hash, remote))
    }

    /// Whether this token is good, by its hash.
    pub(crate) fn knows_token(&self, hash: KeyHash) -> bool {
        self.inner().tokens.find_hash(hash, self.config().clock.now()).is_some()
    }

    /// Makes a token.
    pub(crate) async fn create_token(&self, new: NewToken, actor: &Actor) -> Result<IssuedToken, TokenError> {
        check_name("name", &new.name, NAME_BYTES)?;
        let secret = Secret::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(self.config().rng.bytes::<32>())));
        let now = self.config().clock.now();
        let row = TokenRow {
            hash: KeyHash::of(secret.expose()),
            shown: format!("{PREFIX}...{}", &secret.expose()[secret.expose().len() - 4..]),
            name: new.name,
            role: new.role.as_str().to_owned(),
            scopes: new.scopes.iter().map(ToString::to_string).collect(),
            created_by: actor.name().to_owned(),
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
        };
        let _changing = self.inner().tokens.changing().await;
        let rows = self.inner().tokens.rows();
        if rows.iter().any(|other| other.name == row.name) {
            return Err(TokenError::NameTaken(row.name));
        }
        if rows.len() >= MOST {
            return Err(TokenError::TooMany);
        }
        self.commit_token(TokenChange::Add(&row), "token.create", actor).await?;
        Ok(IssuedToken { secret, row })
    }

    /// Revokes a token: it stops working at once.
    pub(crate) async fn revoke_token(&self, name: &str, actor: &Actor) -> Result<TokenRow, TokenError> {
        let _changing = self.inner().tokens.changing().await;
        let row = self.inner().tokens.find(name)?;
        self.commit_token(TokenChange::Remove(&row), "token.revoke", actor).await?;
        Ok(row)
    }

    /// Commits; call it with the table's `changing` held.
    async fn commit_token(&self, change: TokenChange<'_>, action: &str, actor: &Actor) -> Result<(), TokenError> {
        let (TokenChange::Add(row) | TokenChange::Remove(row)) = change;
        let detail = json!({ "role": row.role, "scopes": row.scopes, "shown": row.shown });
        let at = self.config().clock.now();
        let entry = AuditEntry { at, by: actor.by(), action, subject: &row.name, detail };
        self.store().tokens().change(change, &entry).await?;
        self.inner().tokens.put(change);
        Ok(())
    }
}
