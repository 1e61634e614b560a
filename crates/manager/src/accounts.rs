//! Accounts of the admin port: a name, a role and a password.

use parking_lot::RwLock;
use serde_json::{Value, json};
use snapshot::Secret;
use store::{AccountChange, AccountRow, AuditEntry};

use crate::access::Role;
use crate::keys::{UnfitField, check_name};
use crate::passwords::{self, Busy, UnfitPassword};
use crate::{Actor, Manager};

mod first;
mod login;
mod logins;

pub use first::AdminPasswordError;
pub(crate) use first::{FIRST, First, settle};
pub(crate) use login::{LoginError, OwnPasswordError};
pub(crate) use logins::Logins;

/// Bytes that a name may have.
const NAME_BYTES: usize = 64;

/// Rows of all accounts as the store holds them, for reading without it.
#[derive(Debug)]
pub(crate) struct AccountTable {
    rows: RwLock<Vec<AccountRow>>,
    /// Held while accounts are changed: checks, commit and the table belong together.
    changing: tokio::sync::Mutex<()>,
}

/// An account that was made, or got another password.
#[derive(Debug)]
pub(crate) struct Provided {
    pub(crate) row: AccountRow,
    /// The password, if it was made: the only time that it is known.
    pub(crate) made: Option<Secret>,
}

/// An account cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("there is no such account")]
    NotFound,
    #[error("there is an account `{0}` already; choose another name")]
    NameTaken(String),
    #[error("`{0}` is the only account with the role admin; give that role to another one first")]
    LastAdmin(String),
    #[error(transparent)]
    Password(#[from] UnfitPassword),
    #[error(transparent)]
    Field(#[from] UnfitField),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Store(#[from] store::Error),
}

// === impl AccountTable ===

impl AccountTable {
    pub(crate) fn new(mut rows: Vec<AccountRow>) -> Self {
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        Self { rows: RwLock::new(rows), changing: tokio::sync::Mutex::new(()) }
    }

    /// All accounts, by name.
    pub(crate) fn rows(&self) -> Vec<AccountRow> {
        self.rows.read().clone()
    }

    /// Held while accounts are changed, or read anew.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Takes over all accounts as they are stored; whether any was different.
    pub(crate) fn replace(&self, mut rows: Vec<AccountRow>) -> bool {
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        let mut known = self.rows.write();
        let is_new = *known != rows;
        *known = rows;
        is_new
    }

    /// The account of that name.
    pub(crate) fn find(&self, name: &str) -> Result<AccountRow, AccountError> {
        self.rows.read().iter().find(|row| row.name == name).cloned().ok_or(AccountError::NotFound)
    }

    /// Fails for the last account with the role admin.
    fn check_not_last(&self, name: &str) -> Result<(), AccountError> {
        let rows = self.rows.read();
        let others = rows.iter().any(|row| row.name != name && Role::stored(&row.role) == Role::Admin);
        if others { Ok(()) } else { Err(AccountError::LastAdmin(name.to_owned())) }
    }

    fn put(&self, change: AccountChange<'_>) {
        let mut rows = self.rows.write();
        rows.retain(|row| row.name != change.row().name);
        if !matches!(change, AccountChange::Remove(_)) {
            rows.push(change.row().clone());
            rows.sort_by(|a, b| a.name.cmp(&b.name));
        }
    }
}

// === impl Manager ===

impl Manager {
    /// Makes an account, with a password of its own unless one is given.
    pub(crate) async fn create_account(
        &self,
        name: String,
        role: Role,
        password: Option<Secret>,
        actor: &Actor,
    ) -> Result<Provided, AccountError> {
        check_account_name(&name)?;
        let (hash, made) = self.hash_or_make(password).await?;
        let now = self.config().clock.now();
        let row = AccountRow { name, role: role.as_str().to_owned(), password: hash, created_at: now, updated_at: now };
        let _changing = self.inner().accounts.changing().await;
        if self.inner().accounts.find(&row.name).is_ok() {
            return Err(AccountError::NameTaken(row.name));
        }
        let detail = json!({ "role": role });
        self.commit_account(AccountChange::Add(&row), "account.create", detail, actor).await?;
        Ok(Provided { row, made })
    }

    /// Gives an account another role; its sessions end.
    pub(crate) async fn set_role(&self, name: &str, role: Role, actor: &Actor) -> Result<AccountRow, AccountError> {
        let _changing = self.inner().accounts.changing().await;
        let old = self.inner().accounts.find(name)?;
        if Role::stored(&old.role) == Role::Admin && role != Role::Admin {
            self.inner().accounts.check_not_last(name)?;
        }
        let row = AccountRow { role: role.as_str().to_owned(), updated_at: self.config().clock.now(), ..old };
        let detail = json!({ "role": role });
        self.commit_account(AccountChange::Replace(&row), "account.role", detail, actor).await?;
        Ok(row)
    }

    /// Gives an account another password, made unless given; its sessions end. The first account is made if there is
    /// none at all: so the machine's owner gets in again.
    pub(crate) async fn set_password(
        &self,
        name: &str,
        password: Option<Secret>,
        actor: &Actor,
    ) -> Result<Provided, AccountError> {
        let is_first = name == FIRST && self.inner().accounts.rows().is_empty();
        if is_first {
            return self.create_account(name.to_owned(), Role::Admin, password, actor).await;
        }
        self.inner().accounts.find(name)?;
        let (hash, made) = self.hash_or_make(password).await?;
        let _changing = self.inner().accounts.changing().await;
        let old = self.inner().accounts.find(name)?;
        let row = AccountRow { password: hash, updated_at: self.config().clock.now(), ..old };
        self.commit_account(AccountChange::Replace(&row), "account.password", json!({}), actor).await?;
        self.inner().logins.forget(name);
        Ok(Provided { row, made })
    }

    /// Deletes an account; its sessions end.
    pub(crate) async fn delete_account(&self, name: &str, actor: &Actor) -> Result<AccountRow, AccountError> {
        let _changing = self.inner().accounts.changing().await;
        let row = self.inner().accounts.find(name)?;
        if Role::stored(&row.role) == Role::Admin {
            self.inner().accounts.check_not_last(name)?;
        }
        self.commit_account(AccountChange::Remove(&row), "account.delete", json!({}), actor).await?;
        Ok(row)
    }

    async fn hash_or_make(&self, password: Option<Secret>) -> Result<(String, Option<Secret>), AccountError> {
        let passwords = &self.inner().passwords;
        let (password, is_made) = match password {
            Some(password) => (password, false),
            None => (passwords.make(), true),
        };
        passwords::check(&password)?;
        Ok((passwords.hash(&password).await?, is_made.then_some(password)))
    }

    /// Commits; call it with the table's `changing` held.
    async fn commit_account(
        &self,
        change: AccountChange<'_>,
        action: &str,
        detail: Value,
        actor: &Actor,
    ) -> Result<(), AccountError> {
        let row = change.row();
        let at = self.config().clock.now();
        let entry = AuditEntry { at, by: actor.by(), action, subject: &row.name, detail };
        self.store().accounts().change(change, None, &entry).await?;
        self.inner().accounts.put(change);
        // What was made for it at the first start opens nothing any more.
        if row.name == FIRST && action != "account.role" {
            self.config().home.forget_admin_password();
        }
        self.inner().sessions.end_all_of(&row.name);
        Ok(())
    }
}

fn check_account_name(name: &str) -> Result<(), UnfitField> {
    check_name("name", name, NAME_BYTES)?;
    let is_plain = |c: char| c.is_alphanumeric() || ".-_@+".contains(c);
    if !name.chars().all(is_plain) {
        return Err(UnfitField { field: "name", message: "may hold letters, digits and .-_@+ only".into() });
    }
    if Actor::RESERVED.contains(&name) {
        return Err(UnfitField { field: "name", message: "is taken by Enginehouse itself; choose another".into() });
    }
    Ok(())
}
