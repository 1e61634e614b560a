use ambient::Timestamp;
use serde_json::{Map, Value};

use crate::audit::{self, AuditEntry};
use crate::database::{Database, Row, Value as Arg, Write, args};
use crate::keys::{self, KeyChange};
use crate::labels::Labels;
use crate::{Result, RowLimits};

/// The teams.
#[derive(Debug)]
pub struct Teams<'s> {
    database: &'s Database,
    labels: &'s Labels,
}

/// Keys that share limits.
#[derive(Clone, Debug, PartialEq)]
pub struct TeamRow {
    /// Chosen once; the books know the team by it.
    pub id: String,
    /// Name given by people; unique.
    pub alias: Option<String>,
    /// Models that its keys may use; empty allows all.
    pub models: Vec<String>,
    /// What its keys may use together.
    pub limits: RowLimits,
    /// Whether all its keys are blocked.
    pub blocked: bool,
    /// Whatever people attach.
    pub metadata: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What happens to a team's row.
#[derive(Clone, Debug)]
pub enum TeamChange<'a> {
    /// It is added.
    Add(&'a TeamRow),
    /// It is replaced, found by its id.
    Replace(&'a TeamRow),
    /// It goes.
    Remove(&'a TeamRow),
}

// === impl Teams ===

impl<'s> Teams<'s> {
    pub(crate) const fn new(database: &'s Database, labels: &'s Labels) -> Self {
        Self { database, labels }
    }

    /// All teams, oldest first.
    pub async fn list(&self) -> Result<Vec<TeamRow>> {
        self.database.fetch_all("SELECT * FROM teams ORDER BY created_at, id", &[]).await?.iter().map(row).collect()
    }

    /// Makes the change, and those of keys that go with it, or none of them. An id or an alias that another team has is a
    /// [`Cause::Conflict`](crate::Cause::Conflict).
    pub async fn change(
        &self,
        change: &TeamChange<'_>,
        of_keys: &[KeyChange<'_>],
        entries: &[AuditEntry<'_>],
    ) -> Result<()> {
        let mut write = self.database.write().await?;
        if execute(&mut write, change).await? == 0 {
            return Err(write.conflict(format!("there is no team {}", change.row().id)));
        }
        keys::change_all(&mut write, of_keys).await?;
        for entry in entries {
            audit::insert(&mut write, entry).await?;
        }
        write.commit().await?;
        for change in of_keys {
            self.labels.put(change.row());
        }
        Ok(())
    }
}

// === impl TeamChange ===

impl<'a> TeamChange<'a> {
    /// The team that it is about.
    pub const fn row(&self) -> &'a TeamRow {
        match self {
            Self::Add(row) | Self::Replace(row) | Self::Remove(row) => row,
        }
    }
}

const INSERT: &str = "INSERT INTO teams (id, alias, models, rpm, tpm, max_parallel, max_budget, budget_period, blocked,
    metadata, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

const UPDATE: &str = "UPDATE teams SET alias = $2, models = $3, rpm = $4, tpm = $5, max_parallel = $6, max_budget = $7,
    budget_period = $8, blocked = $9, metadata = $10, created_at = $11, updated_at = $12 WHERE id = $1";

async fn execute(write: &mut Write<'_>, change: &TeamChange<'_>) -> Result<u64> {
    let statement = match change {
        TeamChange::Add(_) => INSERT,
        TeamChange::Replace(_) => UPDATE,
        TeamChange::Remove(team) => {
            return write.execute("DELETE FROM teams WHERE id = $1", args![&team.id]).await;
        }
    };
    let team = change.row();
    let args = args![
        &team.id,
        &team.alias,
        Arg::json(team.models.clone()),
        team.limits.rpm,
        team.limits.tpm,
        team.limits.max_parallel,
        team.limits.max_budget,
        team.limits.budget_period.map(|period| period.to_string()),
        team.blocked,
        Arg::json(team.metadata.clone()),
        team.created_at,
        team.updated_at,
    ];
    write.execute(statement, args).await
}

fn row(row: &Row) -> Result<TeamRow> {
    Ok(TeamRow {
        id: row.get("id")?,
        alias: row.get("alias")?,
        models: row.json("models")?,
        limits: RowLimits::of(row)?,
        blocked: row.get("blocked")?,
        metadata: row.json("metadata")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

#[cfg(test)]
mod tests {
    use ledger::Nanos;

    use super::*;
    use crate::Cause;
    use crate::testing::{Backend, contract};

    contract!(a_team_comes_back_as_it_was_put_until_it_is_removed);

    async fn a_team_comes_back_as_it_was_put_until_it_is_removed(backend: Backend) {
        let store = backend.open().await;
        let limits = RowLimits {
            rpm: Some(1),
            tpm: Some(2),
            max_parallel: Some(3),
            max_budget: Some(Nanos(4)),
            budget_period: Some("30d".parse().unwrap()),
        };
        let at = Timestamp::from_micros(5);
        let mut team = TeamRow {
            id: "t".into(),
            alias: Some("blue".into()),
            models: vec!["m".into()],
            limits,
            blocked: true,
            metadata: Map::new(),
            created_at: at,
            updated_at: at,
        };
        store.teams().change(&TeamChange::Add(&team), &[], &[]).await.unwrap();
        assert_eq!(store.teams().list().await.unwrap(), [team.clone()]);
        let same_alias = TeamRow { id: "u".into(), ..team.clone() };
        let error = store.teams().change(&TeamChange::Add(&same_alias), &[], &[]).await.unwrap_err();
        assert_eq!(error.cause, Cause::Conflict);
        team.limits = RowLimits::default();
        store.teams().change(&TeamChange::Replace(&team), &[], &[]).await.unwrap();
        assert_eq!(store.teams().list().await.unwrap(), [team.clone()]);
        store.teams().change(&TeamChange::Remove(&team), &[], &[]).await.unwrap();
        assert_eq!(store.teams().list().await.unwrap(), []);
    }

    /// Databases as they were before there were teams: what is in them stays, and counts.
    #[tokio::test]
    async fn an_old_home_is_brought_up_to_date() {
        let home = tempfile::tempdir().unwrap();
        let old = async |name: &str, migrations: &sqlx::migrate::Migrator, count: usize, sql: &'static str| {
            let options =
                sqlx::sqlite::SqliteConnectOptions::new().filename(home.path().join(name)).create_if_missing(true);
            let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
            let first = migrations.iter().take(count).cloned().collect();
            let migrator = sqlx::migrate::Migrator {
                migrations: std::borrow::Cow::Owned(first),
                ..sqlx::migrate::Migrator::DEFAULT
            };
            migrator.run(&pool).await.unwrap();
            sqlx::raw_sql(sql).execute(&pool).await.unwrap();
            pool.close().await;
        };
        let key = "INSERT INTO keys VALUES ('k', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'sk-...',
            'old', '[\"m\"]', 5, NULL, 7, NULL, FALSE, '{}', 1, 2, NULL)";
        old("enginehouse.db", crate::database::Part::Main.sqlite_migrations(), 2, key).await;
        let spend = "INSERT INTO usage_by_day VALUES ('2026-11-20', 'k', 'm', 1, 0, 2, 0, 3, 40);
            INSERT INTO spend_by_key VALUES ('k', 1, 5, 40)";
        old("ledger.db", crate::database::Part::Ledger.sqlite_migrations(), 1, spend).await;
        let store = crate::Store::open(home.path()).await.unwrap();
        let key = store.keys().list().await.unwrap().remove(0);
        assert_eq!(
            (key.kind, key.limits.rpm, key.limits.tpm, key.team),
            (snapshot::KeyKind::Virtual, Some(5), None, None)
        );
        let spent = store.events().booked(&[]).await.unwrap().spent;
        assert_eq!((spent.keys["k"], spent.models["m"], spent.all), (Nanos(40), Nanos(40), Nanos(40)));
    }
}
