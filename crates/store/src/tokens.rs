use ambient::Timestamp;
use snapshot::KeyHash;

use crate::Result;
use crate::audit::{self, AuditEntry};
use crate::database::{Database, Row, Value, Write, args};

/// What programs present at the admin port.
#[derive(Debug)]
pub struct Tokens<'s> {
    database: &'s Database,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Name given by people; unique.
    pub name: String,
    /// Hash of the token.
    pub hash: KeyHash,
    /// `ent-...` and the last four characters.
    pub shown: String,
    /// `admin` or `viewer`.
    pub role: String,
    /// Resources that it is good for; empty allows all.
    pub scopes: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, some minutes late at most.
    pub last_used_at: Option<Timestamp>,
}

/// What happens to a token's row.
#[derive(Clone, Copy, Debug)]
pub enum TokenChange<'a> {
    /// It is added; one of that name is a [`Cause::Conflict`](crate::Cause::Conflict).
    Add(&'a TokenRow),
    /// It is removed.
    Remove(&'a TokenRow),
}

const ADD: &str =
    "INSERT INTO tokens (name, hash, shown, role, scopes, created_by, created_at, expires_at, last_used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

// === impl Tokens ===

impl<'s> Tokens<'s> {
    pub(crate) const fn new(database: &'s Database) -> Self {
        Self { database }
    }

    /// All tokens.
    pub async fn list(&self) -> Result<Vec<TokenRow>> {
        self.database.fetch_all("SELECT * FROM tokens", &[]).await?.iter().map(row).collect()
    }

    /// Makes a change.
    pub async fn change(&self, change: TokenChange<'_>, entry: &AuditEntry<'_>) -> Result<()> {
        let mut write = self.database.write().await?;
        execute(&mut write, change).await?;
        audit::insert(&mut write, entry).await?;
        write.commit().await
    }

    /// Notes that a token was used.
    pub async fn touch(&self, hash: KeyHash, used_at: Timestamp) -> Result<()> {
        let mut write = self.database.write().await?;
        let touch = "UPDATE tokens SET last_used_at = $2 WHERE hash = $1";
        write.execute(touch, args![hash.to_string(), used_at]).await?;
        write.commit().await
    }
}

async fn execute(write: &mut Write<'_>, change: TokenChange<'_>) -> Result<()> {
    match change {
        TokenChange::Remove(token) => write.execute("DELETE FROM tokens WHERE name = $1", args![&token.name]).await,
        TokenChange::Add(token) => {
            let TokenRow { name, hash, shown, role, scopes, created_by, created_at, expires_at, last_used_at } = token;
            let (hash, scopes) = (hash.to_string(), Value::json(scopes.clone()));
            let all = args![name, hash, shown, role, scopes, created_by, *created_at, *expires_at, *last_used_at];
            write.execute(ADD, all).await
        }
    }
    .map(drop)
}

fn row(row: &Row) -> Result<TokenRow> {
    let hash: String = row.get("hash")?;
    Ok(TokenRow {
        name: row.get("name")?,
        hash: hash.parse().map_err(|error| row.unreadable("hash", &error))?,
        shown: row.get("shown")?,
        role: row.get("role")?,
        scopes: row.json("scopes")?,
        created_by: row.get("created_by")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Backend, contract};
    use crate::{By, Cause};

    contract!(a_token_comes_back_as_it_was_put_until_it_is_removed);

    async fn a_token_comes_back_as_it_was_put_until_it_is_removed(backend: Backend) {
        let store = backend.open().await;
        let at = Timestamp::from_micros(5);
        let by = By { actor: "owner", via: "socket", remote: None };
        let entry = AuditEntry { at, by, action: "token", subject: "ci", detail: json!({}) };
        let token = TokenRow {
            name: "ci".into(),
            hash: KeyHash::of("ent-x"),
            shown: "ent-...abcd".into(),
            role: "admin".into(),
            scopes: vec!["keys".into(), "usage:read".into()],
            created_by: "ann".into(),
            created_at: at,
            expires_at: None,
            last_used_at: None,
        };
        store.tokens().change(TokenChange::Add(&token), &entry).await.unwrap();
        assert_eq!(store.tokens().list().await.unwrap(), std::slice::from_ref(&token));
        let again = store.tokens().change(TokenChange::Add(&token), &entry).await.unwrap_err();
        assert_eq!(again.cause, Cause::Conflict);
        store.tokens().touch(token.hash, Timestamp::from_micros(9)).await.unwrap();
        assert_eq!(store.tokens().list().await.unwrap()[0].last_used_at, Some(Timestamp::from_micros(9)));
        store.tokens().change(TokenChange::Remove(&token), &entry).await.unwrap();
        assert_eq!(store.tokens().list().await.unwrap(), []);
    }
}
