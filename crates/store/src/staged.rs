use ambient::Timestamp;

use crate::database::{Database, Row, Write, args};
use crate::{AuditEntry, Result, audit, revisions, settings};

/// Among the settings: the version that was given out last.
const LAST_VERSION: &str = "staged_version";

/// Edits of items that are not applied yet.
#[derive(Debug)]
pub struct Staged<'s> {
    database: &'s Database,
}

/// One edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRow {
    /// What the item is.
    pub kind: String,
    /// Its name among those of its kind.
    pub name: String,
    /// The item as JSON; none if it is to be deleted.
    pub data: Option<String>,
    /// Digest of the applied item that the edit started from; none if there was none.
    pub base: Option<String>,
    /// Number of the revision that the edit started from.
    pub base_revision: u64,
    /// No two edits of anything ever had the same; given out by the store.
    pub version: u64,
    /// Who made it.
    pub author: String,
    /// When.
    pub staged_at: Timestamp,
}

/// One edit as somebody saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagedKey<'a> {
    /// What the item is.
    pub kind: &'a str,
    /// Its name among those of its kind.
    pub name: &'a str,
    /// Version of the edit.
    pub version: u64,
}

/// An edit to be kept.
#[derive(Clone, Debug)]
pub struct StagedEdit<'a> {
    /// The edit; its version is given out by the store.
    pub row: &'a StagedRow,
    /// Whether it is kept; else what it replaces is only given up: it led back to what applies.
    pub keeps: bool,
    /// Version of the edit that it replaces; none if there must be none.
    pub replaces: Option<u64>,
    /// What was done, for the audit.
    pub audit: &'a AuditEntry<'a>,
}

// === impl Staged ===

impl<'s> Staged<'s> {
    pub(crate) const fn new(database: &'s Database) -> Self {
        Self { database }
    }

    /// All edits, oldest first.
    pub async fn list(&self) -> Result<Vec<StagedRow>> {
        self.database.fetch_all("SELECT * FROM staged ORDER BY version", &[]).await?.iter().map(row).collect()
    }

    /// Keeps edits, all or none; the versions they got, if they are kept. Where an edit does not replace what stands there, or did not start
    /// from the revision that applies in this very moment, that is a
    /// [`Cause::Conflict`](crate::Cause::Conflict).
    pub async fn put(&self, edits: &[StagedEdit<'_>]) -> Result<Vec<Option<u64>>> {
        let mut write = self.database.write().await?;
        let mut versions = Vec::with_capacity(edits.len());
        let latest = revisions::latest_number(&mut write).await?;
        for edit in edits {
            if edit.row.base_revision != latest {
                return Err(write.conflict(format!("revision {latest} applies by now")));
            }
            if let Some(version) = edit.replaces {
                give_up(&mut write, StagedKey { kind: &edit.row.kind, name: &edit.row.name, version }).await?;
            }
            audit::insert(&mut write, edit.audit).await?;
            let version = if edit.keeps { Some(next_version(&mut write).await?) } else { None };
            if let Some(version) = version {
                insert(&mut write, edit.row, version).await?;
            }
            versions.push(version);
        }
        write.commit().await?;
        Ok(versions)
    }

    /// Lets an edit start from a later revision, in which its item is the same but for how it is written: `base` is the digest
    /// there. An edit that is another one by now stays as it is.
    pub async fn rebase(&self, key: StagedKey<'_>, base: &str, base_revision: u64) -> Result<()> {
        let sql = "UPDATE staged SET base = $1, base_revision = $2 WHERE kind = $3 AND name = $4 AND version = $5";
        let mut write = self.database.write().await?;
        write.execute(sql, args![base, base_revision, key.kind, key.name, key.version]).await?;
        write.commit().await
    }

    /// Gives edits up, all or none. One that is no longer there as it was seen is a [`Cause::Conflict`](crate::Cause::Conflict).
    pub async fn remove(&self, keys: &[StagedKey<'_>], audit: &[AuditEntry<'_>]) -> Result<()> {
        let mut write = self.database.write().await?;
        for key in keys {
            give_up(&mut write, *key).await?;
        }
        for entry in audit {
            audit::insert(&mut write, entry).await?;
        }
        write.commit().await
    }
}

async fn give_up(write: &mut Write<'_>, key: StagedKey<'_>) -> Result<()> {
    if remove(write, key).await? {
        return Ok(());
    }
    Err(write.conflict(format!("the edit of {} {} is another one by now", key.kind, key.name)))
}

/// Gives an edit up, if it still is the one that was seen; whether it was.
pub(crate) async fn remove(write: &mut Write<'_>, key: StagedKey<'_>) -> Result<bool> {
    let sql = "DELETE FROM staged WHERE kind = $1 AND name = $2 AND version = $3";
    Ok(write.execute(sql, args![key.kind, key.name, key.version]).await? == 1)
}

async fn next_version(write: &mut Write<'_>) -> Result<u64> {
    let last = write.fetch_optional("SELECT value FROM settings WHERE name = $1", args![LAST_VERSION]).await?;
    let last: Option<String> = last.map(|row| row.get("value")).transpose()?;
    let version = last.and_then(|last| last.parse::<u64>().ok()).unwrap_or(0) + 1;
    settings::set(write, LAST_VERSION, Some(&version.to_string())).await?;
    Ok(version)
}

async fn insert(write: &mut Write<'_>, row: &StagedRow, version: u64) -> Result<()> {
    let sql = "INSERT INTO staged (kind, name, data, base, base_revision, version, author, staged_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let StagedRow { kind, name, data, base, base_revision, version: _, author, staged_at } = row;
    write.execute(sql, args![kind, name, data, base, *base_revision, version, author, *staged_at]).await.map(drop)
}

fn row(row: &Row) -> Result<StagedRow> {
    Ok(StagedRow {
        kind: row.get("kind")?,
        name: row.get("name")?,
        data: row.get("data")?,
        base: row.get("base")?,
        base_revision: row.get("base_revision")?,
        version: row.get("version")?,
        author: row.get("author")?,
        staged_at: row.get("staged_at")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Backend, contract};
    use crate::{By, Cause, Store};

    contract!(
        an_edit_replaces_only_what_it_has_seen,
        several_edits_are_kept_together_or_not_at_all,
        an_edit_can_start_from_a_later_revision,
    );

    fn edit(name: &str, data: Option<&str>) -> StagedRow {
        StagedRow {
            kind: "model".into(),
            name: name.into(),
            data: data.map(str::to_owned),
            base: Some("b".into()),
            base_revision: 0,
            version: 0,
            author: "ann".into(),
            staged_at: Timestamp::from_micros(5),
        }
    }

    fn entry() -> AuditEntry<'static> {
        let by = By { actor: "ann", via: "socket", remote: None };
        AuditEntry { at: Timestamp::from_micros(5), by, action: "stage", subject: "model/m", detail: json!({}) }
    }

    async fn put(store: &Store, rows: &[(&StagedRow, Option<u64>)]) -> Result<Vec<u64>> {
        let audit = entry();
        let edits: Vec<_> = rows
            .iter()
            .map(|(row, replaces)| StagedEdit { row, keeps: true, replaces: *replaces, audit: &audit })
            .collect();
        Ok(store.staged().put(&edits).await?.into_iter().map(Option::unwrap).collect())
    }

    async fn an_edit_replaces_only_what_it_has_seen(backend: Backend) {
        let store = backend.open().await;
        let first = put(&store, &[(&edit("m", Some("{}")), None)]).await.unwrap()[0];
        assert_eq!(put(&store, &[(&edit("m", None), None)]).await.unwrap_err().cause, Cause::Conflict);
        assert_eq!(put(&store, &[(&edit("m", None), Some(first + 1))]).await.unwrap_err().cause, Cause::Conflict);
        let second = put(&store, &[(&edit("m", None), Some(first))]).await.unwrap()[0];
        let rows = store.staged().list().await.unwrap();
        assert_eq!(rows, [StagedRow { version: second, ..edit("m", None) }]);
        let late = StagedRow { base_revision: 1, ..edit("late", None) };
        assert_eq!(put(&store, &[(&late, None)]).await.unwrap_err().cause, Cause::Conflict, "revision 0 applies");
        let key = |version| StagedKey { kind: "model", name: "m", version };
        assert_eq!(store.staged().remove(&[key(first)], &[]).await.unwrap_err().cause, Cause::Conflict);
        store.staged().remove(&[key(second)], &[entry()]).await.unwrap();
        assert_eq!(store.staged().list().await.unwrap(), []);
        let third = put(&store, &[(&edit("m", None), None)]).await.unwrap()[0];
        assert!(third > second, "a version never comes again");
        assert_eq!(store.audit().list(9).await.unwrap().len(), 4, "what was refused leaves no trace");
    }

    async fn an_edit_can_start_from_a_later_revision(backend: Backend) {
        let store = backend.open().await;
        let version = put(&store, &[(&edit("m", Some("{}")), None)]).await.unwrap()[0];
        let key = |version| StagedKey { kind: "model", name: "m", version };
        store.staged().rebase(key(version + 1), "x", 9).await.unwrap();
        assert_eq!(store.staged().list().await.unwrap()[0].base.as_deref(), Some("b"), "that is another edit");
        store.staged().rebase(key(version), "c", 4).await.unwrap();
        let rows = store.staged().list().await.unwrap();
        assert_eq!(rows, [StagedRow { version, base: Some("c".into()), base_revision: 4, ..edit("m", Some("{}")) }]);
    }

    async fn several_edits_are_kept_together_or_not_at_all(backend: Backend) {
        let store = backend.open().await;
        let a = put(&store, &[(&edit("a", Some("{}")), None)]).await.unwrap()[0];
        let refused = put(&store, &[(&edit("b", None), None), (&edit("a", None), None)]).await;
        assert_eq!(refused.unwrap_err().cause, Cause::Conflict);
        let names =
            async || -> Vec<_> { store.staged().list().await.unwrap().into_iter().map(|row| row.name).collect() };
        assert_eq!(names().await, ["a"]);
        // One is kept, and another one given up, in the same step.
        let (c, back, audit) = (edit("c", Some("{}")), edit("a", None), entry());
        let both = [(&c, true, None), (&back, false, Some(a))];
        let both = both.map(|(row, keeps, replaces)| StagedEdit { row, keeps, replaces, audit: &audit });
        let versions = store.staged().put(&both).await.unwrap();
        assert!(versions[0] > Some(a) && versions[1].is_none(), "{versions:?}");
        assert_eq!(names().await, ["c"]);
        assert_eq!(store.staged().put(&both[1..]).await.unwrap_err().cause, Cause::Conflict, "it is gone");
        let a = put(&store, &[(&edit("a", Some("{}")), None)]).await.unwrap()[0];
        let keys = [("a", a), ("b", 99)].map(|(name, version)| StagedKey { kind: "model", name, version });
        assert_eq!(store.staged().remove(&keys, &[]).await.unwrap_err().cause, Cause::Conflict);
        assert_eq!(names().await, ["c", "a"]);
    }
}
