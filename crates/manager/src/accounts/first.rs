//! The first account: somebody has to be able to log in.

use std::io;
use std::path::PathBuf;

use ambient::Timestamp;
use serde_json::json;
use snapshot::Secret;
use store::{AccountChange, AccountRow, AuditEntry, Store};

use crate::access::Role;
use crate::passwords::{Busy, Passwords, UnfitPassword};
use crate::{Actor, Home};

/// Name of the first account.
pub(crate) const FIRST: &str = "admin";
/// Where the hash of the password stands that the environment held last: only another one counts.
const GIVEN: &str = "admin_password_given";

/// What the first account is made from.
#[derive(Debug)]
pub(crate) struct First<'a> {
    /// Where one that is made is kept.
    pub(crate) home: &'a Home,
    /// The password that the environment holds.
    pub(crate) given: Option<&'a Secret>,
    /// Whether one is made where there is no account and none is given.
    pub(crate) make: bool,
    /// Whether there must be one already, or one be given: the port can be reached from elsewhere.
    pub(crate) required: bool,
    pub(crate) now: Timestamp,
}

/// There is no usable password of an administrator.
#[derive(Debug, thiserror::Error)]
pub enum AdminPasswordError {
    /// The given one cannot be one.
    #[error("the admin password (ENGINEHOUSE_ADMIN_PASSWORD) {0}")]
    Unfit(#[from] UnfitPassword),
    /// Everybody on the network would be able to try.
    #[error(
        "the admin port would be open to other machines (--admin-listen), but no account has a password yet: set \
         ENGINEHOUSE_ADMIN_PASSWORD (or ENGINEHOUSE_ADMIN_PASSWORD_FILE), or make one first with `enginehouse account \
         reset-password admin`"
    )]
    Missing,
    /// The one that was made cannot be kept.
    #[error(
        "a password of the account admin was made and cannot be written to {}: {cause}; set ENGINEHOUSE_ADMIN_PASSWORD to \
         one of your own",
        path.display()
    )]
    Unkept {
        /// The file.
        path: PathBuf,
        /// What the system said; told in the text, so it is no `source`.
        cause: io::Error,
    },
    /// It cannot be hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Accounts cannot be read or kept.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Sees to it that the first account is there, and has the password that the environment holds since it last changed, which
/// must be fit; all accounts, and the password if it was made just now: its file is there before the account.
pub(crate) async fn settle(
    store: &Store,
    passwords: &Passwords,
    first: &First<'_>,
) -> Result<(Vec<AccountRow>, Option<Secret>), AdminPasswordError> {
    let rows = store.accounts().list().await?;
    let has_admin = rows.iter().any(|row| Role::stored(&row.role) == Role::Admin);
    if let Some(given) = first.given {
        if is_news(store, passwords, given).await? {
            set(store, passwords, &rows, given, true, first.now).await?;
            first.home.forget_admin_password();
        }
    } else if first.required && !has_admin {
        return Err(AdminPasswordError::Missing);
    } else if rows.is_empty() && first.make {
        let made = passwords.make();
        // First: whenever this process dies, whoever can read the home gets in.
        let unkept = |cause| AdminPasswordError::Unkept { path: first.home.admin_password(), cause };
        first.home.keep_admin_password(&made).map_err(unkept)?;
        set(store, passwords, &rows, &made, false, first.now).await?;
        return Ok((store.accounts().list().await?, Some(made)));
    }
    Ok((store.accounts().list().await?, None))
}

/// Whether this is another password than the environment held last.
async fn is_news(store: &Store, passwords: &Passwords, given: &Secret) -> Result<bool, AdminPasswordError> {
    let last = store.settings().get(GIVEN).await?;
    Ok(match last {
        Some(last) => !passwords.verify(given, Some(&last)).await?,
        None => true,
    })
}

async fn set(
    store: &Store,
    passwords: &Passwords,
    rows: &[AccountRow],
    password: &Secret,
    is_given: bool,
    now: Timestamp,
) -> Result<(), AdminPasswordError> {
    let hash = passwords.hash(password).await?;
    let old = rows.iter().find(|row| row.name == FIRST);
    let row = AccountRow {
        name: FIRST.to_owned(),
        role: Role::Admin.as_str().to_owned(),
        password: hash.clone(),
        created_at: old.map_or(now, |old| old.created_at),
        updated_at: now,
    };
    let (change, action) = match old {
        None => (AccountChange::Add(&row), "account.create"),
        Some(_) => (AccountChange::Replace(&row), "account.password"),
    };
    let actor = Actor::environment();
    let entry = AuditEntry { at: now, by: actor.by(), action, subject: FIRST, detail: json!({ "role": "admin" }) };
    let setting = is_given.then_some((GIVEN, hash.as_str()));
    store.accounts().change(change, setting, &entry).await?;
    tracing::info!(account = FIRST, is_given, "the password of the first account was set");
    Ok(())
}
