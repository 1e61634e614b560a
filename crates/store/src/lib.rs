//! What must last: revisions, keys, settings and audit in `enginehouse.db`; usage events and
//! their sums in `ledger.db`.
//!
//! Each topic is a small module with a handle that [`Store`] gives out. Statements keep to what SQLite and
//! PostgreSQL both understand. Every change is one transaction on the single writing connection of its
//! file; a change whose call did not return `Ok` either happened as a whole or not at all.

mod audit;
mod convert;
mod database;
mod error;
mod events;
mod health;
mod keys;
mod labels;
mod limits;
mod revisions;
mod room;
mod settings;
mod teams;
#[cfg(test)]
mod testing;

use std::path::Path;
use std::sync::Arc;

use database::Database;
use labels::Labels;

pub use audit::{Audit, AuditEntry, AuditRow, By};
pub use error::{Cause, Error, Result};
pub use events::{Events, LoggedEvent, LogsFilter, Spend, Spending, Sums, UsageBy, UsageFilter, UsageRow};
pub use health::{Health, Problem};
pub use keys::{KeyChange, KeyRow, Keys};
pub use limits::RowLimits;
pub use revisions::{ModelRow, NewRevision, Revision, RevisionSummary, Revisions};
pub use room::Room;
pub use settings::Settings;
pub use teams::{TeamChange, TeamRow, Teams};

static MAIN: sqlx::migrate::Migrator = sqlx::migrate!("migrations/main");
static LEDGER: sqlx::migrate::Migrator = sqlx::migrate!("migrations/ledger");

/// Both databases of one home. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    main: Arc<Database>,
    ledger: Arc<Database>,
    labels: Labels,
}

// === impl Store ===

impl Store {
    /// Opens `enginehouse.db` and `ledger.db` in the folder `home`, which must exist, creating them if absent.
    pub async fn open(home: &Path) -> Result<Self> {
        let main = Database::open(home, "enginehouse.db", &MAIN).await?;
        let ledger = Database::open(home, "ledger.db", &LEDGER).await?;
        let store = Self { main: Arc::new(main), ledger: Arc::new(ledger), labels: Labels::default() };
        for key in store.keys().list().await? {
            store.labels.put(&key);
        }
        Ok(store)
    }

    /// The applied desired states.
    pub fn revisions(&self) -> Revisions<'_> {
        Revisions::new(&self.main)
    }

    /// The virtual keys.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(&self.main, &self.labels)
    }

    /// The teams.
    pub fn teams(&self) -> Teams<'_> {
        Teams::new(&self.main, &self.labels)
    }

    /// Single values.
    pub fn settings(&self) -> Settings<'_> {
        Settings::new(&self.main)
    }

    /// Who did what.
    pub fn audit(&self) -> Audit<'_> {
        Audit::new(&self.main)
    }

    /// The books.
    pub fn events(&self) -> Events {
        Events::new(self.ledger.clone(), self.labels.clone())
    }

    /// Whether both databases can be written now. Takes a fraction of a second at most.
    pub async fn health(&self) -> Health {
        Health::of([&self.main, &self.ledger]).await
    }

    /// Waits for what is under way and closes both files.
    pub async fn close(&self) {
        self.ledger.close().await;
        self.main.close().await;
    }
}
