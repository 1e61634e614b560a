use std::net::IpAddr;
use std::time::Duration;

use snapshot::{KeyHash, Secret};
use store::AccountRow;

use super::{AccountError, NAME_BYTES};
use crate::access::Role;
use crate::passwords::Busy;
use crate::sessions::Begun;
use crate::throttle::Throttle;
use crate::{Actor, Manager};

/// Tries that an account has at once, and how long until the next one.
const EACH_ACCOUNT: (u32, Duration) = (10, Duration::from_secs(30));
/// The same for an address, behind which may be several people.
const EACH_ADDRESS: (u32, Duration) = (30, Duration::from_secs(10));

/// How often passwords may be tried.
#[derive(Debug)]
pub(crate) struct Logins {
    accounts: Throttle,
    addresses: Throttle,
}

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

// === impl Logins ===

impl Logins {
    pub(crate) fn new() -> Self {
        Self {
            accounts: Throttle::new(EACH_ACCOUNT.0, EACH_ACCOUNT.1),
            addresses: Throttle::new(EACH_ADDRESS.0, EACH_ADDRESS.1),
        }
    }

    /// Gives an account its tries back.
    pub(crate) fn forget(&self, account: &str) {
        self.accounts.forget(account);
    }
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
        logins.addresses.take(&network(remote), now).map_err(LoginError::TooMany)?;
        // No account has a longer name, and none is remembered.
        let throttled: String = name.chars().take(NAME_BYTES).collect();
        logins.accounts.take(&throttled, now).map_err(LoginError::TooMany)?;
        let account = self.inner().accounts.find(name).ok();
        let hash = account.as_ref().map(|account| account.password.as_str());
        let is_right = self.inner().passwords.verify(password, hash).await?;
        // The name only if there is such an account: people type passwords into the wrong field.
        let known = account.as_ref().map(|account| account.name.clone());
        if let Some(account) = account.filter(|_| is_right) {
            logins.accounts.forget(name);
            return Ok(account);
        }
        tracing::warn!(account = known, remote = remote.map(tracing::field::display), "a login failed");
        Err(LoginError::Wrong)
    }
}

/// What one household or machine has of addresses: all of IPv4's, the first half of IPv6's.
fn network(remote: Option<IpAddr>) -> String {
    match remote.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        Some(IpAddr::V4(address)) => address.to_string(),
        None => "local".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_household_count_together() {
        let network = |text: &str| network(Some(text.parse().unwrap()));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::2"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:10.0.0.5"), network("10.0.0.5"));
        assert_ne!(network("10.0.0.5"), network("10.0.0.6"));
    }
}
