use ambient::Timestamp;
use serde_json::Value;

use crate::Result;
use crate::database::{Database, Row, Statement, Value as Arg, Write, args};

/// Who did what.
#[derive(Debug)]
pub struct Audit<'s> {
    database: &'s Database,
}

/// Who does something, and how they got in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By<'a> {
    /// Who: `owner` (control socket), `master` (master key), `import`, an account's name ...
    pub actor: &'a str,
    /// How: `socket`, `session` ...
    pub via: &'a str,
    /// Address that it came from, if it came over a network.
    pub remote: Option<&'a str>,
}

/// Something that was done, written in the transaction that does it.
#[derive(Clone, Debug)]
pub struct AuditEntry<'a> {
    /// When.
    pub at: Timestamp,
    /// Who, and how.
    pub by: By<'a>,
    /// What: `apply`, `key.create` ...
    pub action: &'a str,
    /// To which thing: a revision's number, a key's id ...
    pub subject: &'a str,
    /// More, as a JSON object without secrets.
    pub detail: Value,
}

/// Something that was done, as read back.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Grows with every row.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// How they got in; empty where that was not noted yet.
    pub via: String,
    /// Address that it came from, if it came over a network.
    pub remote: Option<String>,
    /// What.
    pub action: String,
    /// To which thing.
    pub subject: String,
    /// More, as a JSON object.
    pub detail: Value,
}

/// Which rows of the audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only what this one did.
    pub actor: Option<String>,
    /// Only this action, or with a dot at its end all that begin so: `key.`
    pub action: Option<String>,
    /// Only what was done to this thing.
    pub subject: Option<String>,
    /// Only from then on.
    pub from: Option<Timestamp>,
    /// Only until then, included.
    pub to: Option<Timestamp>,
    /// Only rows before this one.
    pub before: Option<u64>,
}

// === impl Audit ===

impl<'s> Audit<'s> {
    pub(crate) const fn new(database: &'s Database) -> Self {
        Self { database }
    }

    /// Notes what changes nothing in the store.
    pub async fn add(&self, entry: &AuditEntry<'_>) -> Result<()> {
        let mut write = self.database.write().await?;
        insert(&mut write, entry).await?;
        write.commit().await
    }

    /// The last that was done to a thing.
    pub async fn latest_of(&self, subject: &str) -> Result<Option<AuditRow>> {
        let sql = "SELECT * FROM audit WHERE subject = $1 ORDER BY id DESC LIMIT 1";
        self.database.fetch_optional(sql, args![subject]).await?.map(|found| row(&found)).transpose()
    }

    /// The first `limit` rows behind the row `id`, oldest first.
    pub async fn after(&self, id: u64, limit: u32) -> Result<Vec<AuditRow>> {
        let sql = "SELECT id, at, actor, via, remote, action, subject, detail FROM audit
            WHERE id > $1 ORDER BY id LIMIT $2";
        self.database.fetch_all(sql, args![id, limit]).await?.iter().map(row).collect()
    }

    /// The latest `limit` rows, newest first.
    pub async fn list(&self, limit: u32) -> Result<Vec<AuditRow>> {
        self.find(&AuditFilter::default(), limit).await
    }

    /// The latest `limit` rows that match, newest first.
    pub async fn find(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditRow>> {
        let action = filter.action.as_deref();
        let (begins, is) =
            if action.is_some_and(|action| action.ends_with('.')) { (action, None) } else { (None, action) };
        let mut find =
            Statement::new("SELECT id, at, actor, via, remote, action, subject, detail FROM audit WHERE TRUE");
        find.bind_some(" AND id < ", filter.before)
            .bind_some(" AND at >= ", filter.from)
            .bind_some(" AND at <= ", filter.to)
            .bind_some(" AND actor = ", filter.actor.as_deref())
            .bind_some(" AND subject = ", filter.subject.as_deref())
            .bind_some(" AND action = ", is)
            .bind_some(" AND substr(action, 1, ", begins.map(|begins| begins.chars().count() as u64))
            .bind_some(") = ", begins)
            .bind(" ORDER BY id DESC LIMIT ", limit);
        self.database.fetch_by(&find).await?.iter().map(row).collect()
    }
}

pub(crate) async fn insert(write: &mut Write<'_>, entry: &AuditEntry<'_>) -> Result<()> {
    let sql = "INSERT INTO audit (at, actor, via, remote, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (by, detail) = (entry.by, Arg::json(entry.detail.clone()));
    let args = args![entry.at, by.actor, by.via, by.remote, entry.action, entry.subject, detail];
    write.execute(sql, args).await.map(drop)
}

fn row(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        id: row.get("id")?,
        at: row.get("at")?,
        actor: row.get("actor")?,
        via: row.get("via")?,
        remote: row.get("remote")?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        detail: row.json("detail").unwrap_or(Value::Null),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Backend, contract};

    contract!(what_was_noted_can_neither_be_changed_nor_removed);

    async fn what_was_noted_can_neither_be_changed_nor_removed(backend: Backend) {
        let store = backend.open().await;
        let by = By { actor: "ann", via: "session", remote: Some("10.0.0.5") };
        let at = Timestamp::from_micros(7);
        let entry = AuditEntry { at, by, action: "open.off", subject: "open_routes", detail: json!({}) };
        store.settings().set_audited("open_routes", "shut", &entry).await.unwrap();

        let replaced = match backend {
            Backend::Sqlite(_) => "INSERT OR REPLACE INTO audit SELECT * FROM audit",
            Backend::Postgres(_) => "TRUNCATE audit",
        };
        for statement in ["UPDATE audit SET actor = 'bob'", "DELETE FROM audit", replaced] {
            let mut write = store.main.write().await.unwrap();
            let error = write.execute(statement, &[]).await.unwrap_err();
            assert!(error.to_string().contains("append-only"), "{statement}: {error}");
        }
        let rows = store.audit().list(10).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].actor.as_str(), rows[0].via.as_str()), ("ann", "session"));
        assert_eq!(rows[0].remote.as_deref(), Some("10.0.0.5"));
    }
}
