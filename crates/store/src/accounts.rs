use ambient::Timestamp;

use crate::audit::{self, AuditEntry};
use crate::database::{Database, Row, Write, args};
use crate::{Result, settings};

/// The accounts of the admin port.
#[derive(Debug)]
pub struct Accounts<'s> {
    database: &'s Database,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// What people log in with.
    pub name: String,
    /// `admin` or `viewer`.
    pub role: String,
    /// Hash of the password, as a PHC string.
    pub password: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What happens to an account's row. Whatever it is, all its sessions end.
#[derive(Clone, Copy, Debug)]
pub enum AccountChange<'a> {
    /// It is added; one of that name is a [`Cause::Conflict`](crate::Cause::Conflict).
    Add(&'a AccountRow),
    /// It is replaced, found by its name.
    Replace(&'a AccountRow),
    /// It is removed.
    Remove(&'a AccountRow),
}

const ADD: &str = "INSERT INTO accounts (name, role, password, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)";
const REPLACE: &str = "UPDATE accounts SET role = $2, password = $3, created_at = $4, updated_at = $5 WHERE name = $1";

// === impl Accounts ===

impl<'s> Accounts<'s> {
    pub(crate) const fn new(database: &'s Database) -> Self {
        Self { database }
    }

    /// All accounts.
    pub async fn list(&self) -> Result<Vec<AccountRow>> {
        self.database.fetch_all("SELECT * FROM accounts", &[]).await?.iter().map(row).collect()
    }

    /// Makes a change, ends the account's sessions and sets `setting`, all or nothing.
    pub async fn change(
        &self,
        change: AccountChange<'_>,
        setting: Option<(&str, &str)>,
        entry: &AuditEntry<'_>,
    ) -> Result<()> {
        let mut write = self.database.write().await?;
        let name = &change.row().name;
        if execute(&mut write, change).await? == 0 {
            return Err(write.conflict(format!("there is no account {name}")));
        }
        write.execute("DELETE FROM sessions WHERE account = $1", args![name]).await?;
        if let Some((name, value)) = setting {
            settings::set(&mut write, name, Some(value)).await?;
        }
        audit::insert(&mut write, entry).await?;
        write.commit().await
    }
}

// === impl AccountChange ===

impl<'a> AccountChange<'a> {
    /// The account as it is afterwards, or was.
    pub const fn row(&self) -> &'a AccountRow {
        match self {
            Self::Add(row) | Self::Replace(row) | Self::Remove(row) => row,
        }
    }
}

async fn execute(write: &mut Write<'_>, change: AccountChange<'_>) -> Result<u64> {
    let row = change.row();
    let all = args![&row.name, &row.role, &row.password, row.created_at, row.updated_at];
    match change {
        AccountChange::Add(_) => write.execute(ADD, all).await,
        AccountChange::Replace(_) => write.execute(REPLACE, all).await,
        AccountChange::Remove(_) => write.execute("DELETE FROM accounts WHERE name = $1", args![&row.name]).await,
    }
}

fn row(row: &Row) -> Result<AccountRow> {
    Ok(AccountRow {
        name: row.get("name")?,
        role: row.get("role")?,
        password: row.get("password")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use snapshot::KeyHash;

    use super::*;
    use crate::testing::{Backend, contract};
    use crate::{By, Cause, SessionRow};

    contract!(an_account_comes_back_as_it_was_put_and_its_sessions_end);

    async fn an_account_comes_back_as_it_was_put_and_its_sessions_end(backend: Backend) {
        let store = backend.open().await;
        let at = Timestamp::from_micros(5);
        let by = By { actor: "owner", via: "socket", remote: None };
        let entry = AuditEntry { at, by, action: "account", subject: "ann", detail: json!({}) };
        let mut ann = AccountRow {
            name: "ann".into(),
            role: "viewer".into(),
            password: "$argon2id$".into(),
            created_at: at,
            updated_at: at,
        };
        let setting = Some(("given", "x"));
        store.accounts().change(AccountChange::Add(&ann), setting, &entry).await.unwrap();
        assert_eq!(store.accounts().list().await.unwrap(), [ann.clone()]);
        assert_eq!(store.settings().get("given").await.unwrap().as_deref(), Some("x"));
        let again = store.accounts().change(AccountChange::Add(&ann), None, &entry).await.unwrap_err();
        assert_eq!(again.cause, Cause::Conflict);

        let session = |id, account: &str| SessionRow {
            hash: KeyHash::of(id),
            account: account.into(),
            created_at: at,
            seen_at: at,
            expires_at: at,
        };
        for session in [session("1", "ann"), session("2", "bob")] {
            store.sessions().change(Some(&session), &[], &entry).await.unwrap();
        }
        ann.role = "admin".into();
        store.accounts().change(AccountChange::Replace(&ann), None, &entry).await.unwrap();
        assert_eq!(store.accounts().list().await.unwrap(), [ann.clone()]);
        assert_eq!(store.sessions().list().await.unwrap(), [session("2", "bob")]);
        store.accounts().change(AccountChange::Remove(&ann), None, &entry).await.unwrap();
        let gone = store.accounts().change(AccountChange::Replace(&ann), None, &entry).await.unwrap_err();
        assert_eq!(gone.cause, Cause::Conflict);
        assert_eq!(store.audit().list(10).await.unwrap().len(), 5, "one a change, none for what was refused");
    }
}
