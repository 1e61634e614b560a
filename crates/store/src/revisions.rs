use ambient::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::audit::{self, AuditEntry};
use crate::convert::{signed, unsigned};
use crate::database::Database;
use crate::settings;
use crate::{Cause, Error, Result};

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
    /// What was done, for the audit.
    pub audit: &'a AuditEntry<'a>,
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
        sqlx::query("SELECT * FROM revisions ORDER BY number DESC LIMIT 1")
            .fetch_optional(self.database.read()?)
            .await
            .and_then(|row| row.map(|row| revision(&row)).transpose())
            .map_err(|error| self.database.error(&error))
    }

    /// One revision by number.
    pub async fn get(&self, number: u64) -> Result<Option<Revision>> {
        sqlx::query("SELECT * FROM revisions WHERE number = $1")
            .bind(signed(number))
            .fetch_optional(self.database.read()?)
            .await
            .and_then(|row| row.map(|row| revision(&row)).transpose())
            .map_err(|error| self.database.error(&error))
    }

    /// The latest `limit` revisions, newest first.
    pub async fn list(&self, limit: u32) -> Result<Vec<RevisionSummary>> {
        sqlx::query("SELECT number, applied_at, author, digest FROM revisions ORDER BY number DESC LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.database.read()?)
            .await
            .and_then(|rows| rows.iter().map(summary).collect())
            .map_err(|error| self.database.error(&error))
    }

    /// What outlives revisions about every model that ever was.
    pub async fn models(&self) -> Result<Vec<ModelRow>> {
        sqlx::query("SELECT name, created_at, price_version FROM models")
            .fetch_all(self.database.read()?)
            .await
            .and_then(|rows| rows.iter().map(model).collect())
            .map_err(|error| self.database.error(&error))
    }

    /// Commits a revision in one transaction. A number that is not the next one is a [`Cause::Conflict`].
    pub async fn commit(&self, new: &NewRevision<'_>) -> Result<()> {
        let mut write = self.database.write().await?;
        let latest: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(number), 0) FROM revisions")
            .fetch_one(write.connection())
            .await
            .map_err(|error| write.error(&error))?;
        if unsigned(latest) + 1 != new.summary.number {
            let detail = format!("revision {} cannot follow revision {latest}", new.summary.number);
            return Err(Error::new(self.database.name(), Cause::Conflict, detail));
        }
        insert(write.connection(), new).await.map_err(|error| write.error(&error))?;
        write.commit().await
    }
}

async fn insert(connection: &mut sqlx::SqliteConnection, new: &NewRevision<'_>) -> sqlx::Result<()> {
    let RevisionSummary { number, applied_at, author, digest } = new.summary;
    sqlx::query("INSERT INTO revisions (number, applied_at, author, digest, document) VALUES ($1, $2, $3, $4, $5)")
        .bind(signed(*number))
        .bind(applied_at.as_micros())
        .bind(author)
        .bind(digest)
        .bind(new.document)
        .execute(&mut *connection)
        .await?;
    for name in new.priced {
        sqlx::query(
            "INSERT INTO models (name, created_at, price_version) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET price_version = excluded.price_version",
        )
        .bind(*name)
        .bind(applied_at.as_micros())
        .bind(signed(*number))
        .execute(&mut *connection)
        .await?;
    }
    for (name, value) in new.settings {
        settings::set(connection, name, *value).await?;
    }
    audit::insert(connection, new.audit).await
}

fn revision(row: &SqliteRow) -> sqlx::Result<Revision> {
    Ok(Revision { summary: summary(row)?, document: row.try_get("document")? })
}

fn summary(row: &SqliteRow) -> sqlx::Result<RevisionSummary> {
    Ok(RevisionSummary {
        number: unsigned(row.try_get("number")?),
        applied_at: Timestamp::from_micros(row.try_get("applied_at")?),
        author: row.try_get("author")?,
        digest: row.try_get("digest")?,
    })
}

fn model(row: &SqliteRow) -> sqlx::Result<ModelRow> {
    Ok(ModelRow {
        name: row.try_get("name")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        price_version: unsigned(row.try_get("price_version")?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::By;
    use crate::testing::store;

    async fn commit(store: &crate::Store, number: u64, priced: &[&str]) -> Result<()> {
        let at = Timestamp::from_micros(i64::try_from(number).unwrap() * 1_000_000);
        let summary =
            RevisionSummary { number, applied_at: at, author: "owner".into(), digest: format!("digest-{number}") };
        let by = By { actor: "owner", via: "socket", remote: None };
        let audit = AuditEntry { at, by, action: "apply", subject: "r", detail: json!({"n": number}) };
        let document = format!("{{\"version\":{number}}}");
        let settings = [("last", Some("x")), ("absent", None)];
        let new = NewRevision { summary: &summary, document: &document, priced, settings: &settings, audit: &audit };
        store.revisions().commit(&new).await
    }

    #[tokio::test]
    async fn revisions_count_without_gaps_and_stay() {
        let (_home, store) = store().await;
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
        let numbers: Vec<_> = store.revisions().list(10).await.unwrap().iter().map(|r| r.number).collect();
        assert_eq!(numbers, [2, 1]);
        let audit: Vec<_> = store.audit().list(10).await.unwrap().into_iter().map(|row| row.detail).collect();
        assert_eq!(audit, [json!({"n": 2}), json!({"n": 1})], "a refused commit leaves no audit either");
    }

    #[tokio::test]
    async fn a_revision_cannot_be_edited() {
        let (_home, store) = store().await;
        commit(&store, 1, &[]).await.unwrap();
        let mut write = store.main.write().await.unwrap();
        let edit = sqlx::query("UPDATE revisions SET document = '{}'").execute(write.connection()).await;
        assert!(edit.unwrap_err().to_string().contains("never edited"));
    }

    #[tokio::test]
    async fn a_model_keeps_its_first_day_and_gets_the_version_of_its_price() {
        let (_home, store) = store().await;
        commit(&store, 1, &["a", "b"]).await.unwrap();
        commit(&store, 2, &["b"]).await.unwrap();
        let mut models = store.revisions().models().await.unwrap();
        models.sort_by(|a, b| a.name.cmp(&b.name));
        let models: Vec<_> =
            models.iter().map(|m| (m.name.as_str(), m.created_at.as_secs(), m.price_version)).collect();
        assert_eq!(models, [("a", 1, 1), ("b", 1, 2)]);
    }
}
