use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;
use snapshot::{KeyHash, Secret};
use store::{AccountRow, AuditEntry, By};

use super::{AccountError, NAME_BYTES};
use crate::access::Role;
use crate::passwords::Busy;
use crate::sessions::Begun;
use crate::{Actor, Manager};

/// Somebody who has just logged in.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) session: Begun,
    pub(crate) role: Role,
}

/// Nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("name or password is wrong")]
    Wrong,
    #[error("too many tries; wait {} s", .0.as_secs_f64().ceil())]
    TooMany(Duration),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A password was not changed by its owner.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnPasswordError {
    #[error("is not the present password")]
    Wrong,
    #[error(transparent)]
    Login(LoginError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Store(#[from] store::Error),
}

// === impl Manager ===

impl Manager {
    /// Begins a session of who knows the password. `old` is the session that the browser had.
    pub(crate) async fn log_in(
        &self,
        name: &str,
        password: &Secret,
        old: Option<KeyHash>,
        remote: Option<IpAddr>,
    ) -> Result<LoggedIn, LoginError> {
        let proven = self.prove(name, password, remote).await?;
        let _changing = self.inner().accounts.changing.lock().await;
        // The password may have been changed while it was checked: no session outlives that.
        let account = self.inner().accounts.find(name).map_err(|_| LoginError::Wrong)?;
        if account.password != proven.password {
            return Err(LoginError::Wrong);
        }
        let role = Role::stored(&account.role);
        let begun = self.begin_session(name, old, |hash| Actor::account(name, role, hash, remote)).await?;
        Ok(LoggedIn { session: begun, role })
    }

    /// Changes the password of who is logged in, who has to know the one before; the session that goes on.
    pub(crate) async fn set_own_password(
        &self,
        actor: &Actor,
        current: &Secret,
        new: Secret,
        remote: Option<IpAddr>,
    ) -> Result<Begun, OwnPasswordError> {
        let name = actor.name();
        let proven = self.prove(name, current, remote).await.map_err(|error| match error {
            LoginError::Wrong => OwnPasswordError::Wrong,
            other => OwnPasswordError::Login(other),
        })?;
        self.set_password(name, Some(new), actor).await?;
        let role = Role::stored(&proven.role);
        Ok(self.begin_session(name, None, |hash| Actor::account(name, role, hash, remote)).await?)
    }

    /// The account, if this is its password. Takes as long whether there is such an account or not.
    pub(crate) async fn prove(
        &self,
        name: &str,
        password: &Secret,
        remote: Option<IpAddr>,
    ) -> Result<AccountRow, LoginError> {
        let now = self.config().clock.now();
        let logins = &self.inner().logins;
        // No account has a longer name, and none is remembered.
        let throttled: String = name.chars().take(NAME_BYTES).collect();
        let attempt = logins.take(&throttled, remote, now).map_err(LoginError::TooMany)?;
        let account = self.inner().accounts.find(name).ok();
        let hash = account.as_ref().map(|account| account.password.as_str());
        let is_right = self.inner().passwords.verify(password, hash).await?;
        // The name only if there is such an account: people type passwords into the wrong field.
        let known = account.as_ref().map(|account| account.name.clone());
        if let Some(account) = account.filter(|_| is_right) {
            logins.succeeded(attempt);
            return Ok(account);
        }
        tracing::warn!(account = known, remote = remote.map(tracing::field::display), "a login failed");
        self.note_failure(known, remote).await;
        Err(LoginError::Wrong)
    }

    /// Failed logins stand in the audit, as seldom as passwords may be tried. Who is refused learns nothing of that going
    /// wrong.
    async fn note_failure(&self, account: Option<String>, remote: Option<IpAddr>) {
        let remote = remote.map(|address| address.to_string());
        let entry = AuditEntry {
            at: self.config().clock.now(),
            by: By { actor: "unknown", via: "password", remote: remote.as_deref() },
            action: "login.failed",
            subject: account.as_deref().unwrap_or_default(),
            detail: json!({}),
        };
        if let Err(error) = self.store().audit().add(&entry).await {
            tracing::warn!(%error, "a failed login is not in the audit");
        }
    }
}
