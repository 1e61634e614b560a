use std::collections::BTreeSet;
use std::fmt;

use ambient::Timestamp;

use crate::audit::{self, AuditEntry};
use crate::database::{Database, Insert, Row, Statement, Write, args};
use crate::staged::{self, StagedKey};
use crate::{Result, settings};

/// The applied desired states.
#[derive(Debug)]
pub struct Revisions<'s> {
    database: &'s Database,
}

/// One applied desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Who, when, which.
    pub summary: RevisionSummary,
    /// The document as JSON.
    pub document: String,
}

/// One applied desired state without its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionSummary {
    /// Counts from 1 without gaps.
    pub number: u64,
    /// When it was committed.
    pub applied_at: Timestamp,
    /// Who applied it.
    pub author: String,
    /// Lower-case hex SHA-256 of the document.
    pub digest: String,
    /// Why, in the author's words; empty where nothing was said.
    pub message: String,
}

/// A revision to be committed.
#[derive(Clone, Debug)]
pub struct NewRevision<'a> {
    /// Who, when, which; the number must be the one after the latest.
    pub summary: &'a RevisionSummary,
    /// The document as JSON.
    pub document: &'a str,
    /// Names of the models whose price this revision sets, new models among them.
    pub priced: &'a [&'a str],
    /// Settings that change in the same transaction, by name; none removes one.
    pub settings: &'a [(&'a str, Option<&'a str>)],
    /// Staged edits that went into it, and are no longer staged once it is committed.
    pub consumed: &'a [StagedKey<'a>],
    /// What was done, for the audit.
    pub audit: &'a AuditEntry<'a>,
    /// Called when the transaction holds everything and is not committed.
    pub before_commit: Probe<'a>,
}

/// Something that tests look at or break in the midst of a transaction.
#[derive(Clone, Copy, Default)]
pub struct Probe<'a>(pub Option<&'a (dyn Fn() + Sync)>);

/// Which revisions; what is none does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevisionFilter {
    /// Only this one's.
    pub author: Option<String>,
    /// Only from then on.
    pub from: Option<Timestamp>,
    /// Only until then, included.
    pub to: Option<Timestamp>,
    /// Only those before this number.
    pub before: Option<u64>,
}

/// What outlives revisions about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRow {
    /// Public name.
    pub name: String,
    /// When a revision first held it.
    pub created_at: Timestamp,
    /// Number of the revision that set its present price.
    pub price_version: u64,
}

// === impl Revisions ===

impl<'s> Revisions<'s> {
    pub(crate) const fn new(database: &'s Database) -> Self {
        Self { database }
    }

    /// The revision that applies now; none before the first apply.
    pub async fn latest(&self) -> Result<Option<Revision>> {
        let row = self.database.fetch_optional("SELECT * FROM revisions ORDER BY number DESC LIMIT 1", &[]).await?;
        row.map(|row| revision(&row)).transpose()
    }

    /// One revision by number.
    pub async fn get(&self, number: u64) -> Result<Option<Revision>> {
        let row = self.database.fetch_optional("SELECT * FROM revisions WHERE number = $1", args![number]).await?;
        row.map(|row| revision(&row)).transpose()
    }

    /// The latest `limit` revisions that match, newest first.
    pub async fn find(&self, filter: &RevisionFilter, limit: u32) -> Result<Vec<RevisionSummary>> {
        let mut find = Statement::new("SELECT number, applied_at, author, digest, message FROM revisions WHERE TRUE");
        find.bind_some(" AND number < ", filter.before)
            .bind_some(" AND applied_at >= ", filter.from)
            .bind_some(" AND applied_at <= ", filter.to)
            .bind_some(" AND author = ", filter.author.as_deref())
            .bind(" ORDER BY number DESC LIMIT ", limit);
        self.database.fetch_by(&find).await?.iter().map(summary).collect()
    }

    /// What outlives revisions about every model that ever was.
    pub async fn models(&self) -> Result<Vec<ModelRow>> {
        let rows = self.database.fetch_all("SELECT name, created_at, price_version FROM models", &[]).await?;
        rows.iter().map(model).collect()
    }

    /// Commits a revision in one transaction. A number that is not the next one, and a staged edit that is another one by
    /// now, is a [`Cause::Conflict`](crate::Cause::Conflict).
    pub async fn commit(&self, new: &NewRevision<'_>) -> Result<()> {
        let mut write = self.database.write().await?;
        let latest = latest_number(&mut write).await?;
        if latest + 1 != new.summary.number {
            return Err(write.conflict(format!("revision {} cannot follow revision {latest}", new.summary.number)));
        }
        for key in new.consumed {
            if !staged::remove(&mut write, *key).await? {
                return Err(write.conflict(format!("{} {} was edited meanwhile", key.kind, key.name)));
            }
        }
        insert(&mut write, new).await?;
        new.before_commit.call();
        write.commit().await
    }
}

// === impl Probe ===

impl Probe<'_> {
    fn call(self) {
        if let Some(call) = self.0 {
            call();
        }
    }
}

impl fmt::Debug for Probe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Probe(…)" } else { "Probe" })
    }
}

/// Number of the revision that applies; 0 before the first.
pub(crate) async fn latest_number(write: &mut Write<'_>) -> Result<u64> {
    let latest = write.fetch_optional("SELECT COALESCE(MAX(number), 0) AS latest FROM revisions", &[]).await?;
    latest.map_or(Ok(0), |row| row.get("latest"))
}

async fn insert(write: &mut Write<'_>, new: &NewRevision<'_>) -> Result<()> {
    let RevisionSummary { number, applied_at, author, digest, message } = new.summary;
    let sql = "INSERT INTO revisions (number, applied_at, author, digest, document, message)
        VALUES ($1, $2, $3, $4, $5, $6)";
    write.execute(sql, args![*number, *applied_at, author, digest, new.document, message]).await?;
    let priced: BTreeSet<&str> = new.priced.iter().copied().collect();
    let priced: Vec<_> = priced.into_iter().map(|name| [name.into(), (*applied_at).into(), (*number).into()]).collect();
    write.insert_all(&PRICED, &priced).await?;
    for (name, value) in new.settings {
        settings::set(write, name, *value).await?;
    }
    audit::insert(write, new.audit).await
}

const PRICED: Insert = Insert {
    head: "INSERT INTO models (name, created_at, price_version)",
    tail: "ON CONFLICT (name) DO UPDATE SET price_version = excluded.price_version",
};

fn revision(row: &Row) -> Result<Revision> {
    Ok(Revision { summary: summary(row)?, document: row.get("document")? })
}

fn summary(row: &Row) -> Result<RevisionSummary> {
    Ok(RevisionSummary {
        number: row.get("number")?,
        applied_at: row.get("applied_at")?,
        author: row.get("author")?,
        digest: row.get("digest")?,
        message: row.get("message")?,
    })
}

fn model(row: &Row) -> Result<ModelRow> {
    Ok(ModelRow {
        name: row.get("name")?,
        created_at: row.get("created_at")?,
        price_version: row.get("price_version")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Backend, contract};
    use crate::{By, Cause};

    contract!(
        revisions_count_without_gaps_and_stay,
        what_goes_into_a_revision_is_no_longer_staged,
        a_revision_cannot_be_edited,
        a_model_keeps_its_first_day_and_gets_the_version_of_its_price
    );

    async fn commit(store: &crate::Store, number: u64, priced: &[&str]) -> Result<()> {
        commit_with(store, number, priced, &[]).await
    }

    async fn commit_with(store: &crate::Store, number: u64, priced: &[&str], consumed: &[StagedKey<'_>]) -> Result<()> {
        let at = Timestamp::from_micros(i64::try_from(number).unwrap() * 1_000_000);
        let summary = RevisionSummary {
            number,
            applied_at: at,
            author: "owner".into(),
            digest: format!("digest-{number}"),
            message: "why".into(),
        };
        let by = By { actor: "owner", via: "socket", remote: None };
        let audit = AuditEntry { at, by, action: "apply", subject: "r", detail: json!({"n": number}) };
        let document = format!("{{\"version\":{number}}}");
        let settings = [("last", Some("x")), ("absent", None)];
        let settings = &settings;
        let new = NewRevision {
            summary: &summary,
            document: &document,
            priced,
            settings,
            consumed,
            audit: &audit,
            before_commit: Probe::default(),
        };
        store.revisions().commit(&new).await
    }

    async fn revisions_count_without_gaps_and_stay(backend: Backend) {
        let store = backend.open().await;
        assert_eq!(store.revisions().latest().await.unwrap(), None);
        commit(&store, 1, &["a"]).await.unwrap();
        assert_eq!(store.settings().get("last").await.unwrap().as_deref(), Some("x"));
        commit(&store, 2, &[]).await.unwrap();
        assert_eq!(commit(&store, 2, &[]).await.unwrap_err().cause, Cause::Conflict);
        assert_eq!(commit(&store, 4, &[]).await.unwrap_err().cause, Cause::Conflict);
        let latest = store.revisions().latest().await.unwrap().unwrap();
        assert_eq!((latest.summary.number, latest.document.as_str()), (2, "{\"version\":2}"));
        assert_eq!(store.revisions().get(1).await.unwrap().unwrap().summary.digest, "digest-1");
        assert_eq!(store.revisions().get(9).await.unwrap(), None);
        let found = async |filter: RevisionFilter, limit| -> Vec<u64> {
            store.revisions().find(&filter, limit).await.unwrap().iter().map(|r| r.number).collect()
        };
        let (all, at) = (RevisionFilter::default, |seconds: i64| Some(Timestamp::from_micros(seconds * 1_000_000)));
        assert_eq!(found(all(), 10).await, [2, 1]);
        assert_eq!(found(all(), 1).await, [2]);
        assert_eq!(found(RevisionFilter { before: Some(2), ..all() }, 10).await, [1]);
        assert_eq!(found(RevisionFilter { from: at(2), ..all() }, 10).await, [2]);
        assert_eq!(found(RevisionFilter { to: at(1), ..all() }, 10).await, [1]);
        assert_eq!(found(RevisionFilter { author: Some("ann".into()), ..all() }, 10).await, [0; 0]);
        let audit: Vec<_> = store.audit().list(10).await.unwrap().into_iter().map(|row| row.detail).collect();
        assert_eq!(audit, [json!({"n": 2}), json!({"n": 1})], "a refused commit leaves no audit either");
    }

    async fn what_goes_into_a_revision_is_no_longer_staged(backend: Backend) {
        let store = backend.open().await;
        let by = By { actor: "ann", via: "socket", remote: None };
        let at = Timestamp::from_micros(1);
        let audit = AuditEntry { at, by, action: "stage", subject: "model/m", detail: json!({}) };
        let row = |name: &str| crate::StagedRow {
            kind: "model".into(),
            name: name.into(),
            data: None,
            base: None,
            base_revision: 0,
            version: 0,
            author: "ann".into(),
            staged_at: at,
        };
        let mut versions = Vec::new();
        for name in ["a", "b"] {
            let row = row(name);
            let edit = crate::StagedEdit { row: &row, keeps: true, replaces: None, audit: &audit };
            versions.extend(store.staged().put(&[edit]).await.unwrap().into_iter().flatten());
        }
        let key = |name, version| StagedKey { kind: "model", name, version };
        let moved = commit_with(&store, 1, &[], &[key("a", versions[0]), key("b", 99)]).await.unwrap_err();
        assert_eq!((moved.cause, store.staged().list().await.unwrap().len()), (Cause::Conflict, 2));
        assert_eq!(store.revisions().latest().await.unwrap(), None);
        commit_with(&store, 1, &[], &[key("a", versions[0])]).await.unwrap();
        let left: Vec<_> = store.staged().list().await.unwrap().into_iter().map(|row| row.name).collect();
        assert_eq!(left, ["b"]);
        assert_eq!(store.revisions().get(1).await.unwrap().unwrap().summary.message, "why");
    }

    async fn a_revision_cannot_be_edited(backend: Backend) {
        let store = backend.open().await;
        commit(&store, 1, &[]).await.unwrap();
        let mut write = store.main.write().await.unwrap();
        let edit = write.execute("UPDATE revisions SET document = '{}'", &[]).await.unwrap_err();
        assert!(edit.to_string().contains("never edited"), "{edit}");
    }

    async fn a_model_keeps_its_first_day_and_gets_the_version_of_its_price(backend: Backend) {
        let store = backend.open().await;
        commit(&store, 1, &["a", "b"]).await.unwrap();
        commit(&store, 2, &["b"]).await.unwrap();
        let mut models = store.revisions().models().await.unwrap();
        models.sort_by(|a, b| a.name.cmp(&b.name));
        let models: Vec<_> =
            models.iter().map(|m| (m.name.as_str(), m.created_at.as_secs(), m.price_version)).collect();
        assert_eq!(models, [("a", 1, 1), ("b", 1, 2)]);
    }
}
