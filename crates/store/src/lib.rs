//! What must last: revisions, staged edits, keys, settings and audit in the main part; usage events and their sums in the ledger.
//! The parts are two files of SQLite (`enginehouse.db`, `ledger.db`), or two schemas of a PostgreSQL database.
//!
//! Each topic is a small module with a handle that [`Store`] gives out. Every change of the main part is one transaction
//! on its single writing connection; a change whose call did not return `Ok` either happened as a whole or not at all.
//!
//! # To add a table
//!
//! - A migration in `migrations/main` or `migrations/ledger` makes it, in both databases: `TEXT`, `BIGINT`, `BOOLEAN`, JSON
//!   and ids as `TEXT`, times as `BIGINT` of microseconds. Only where the two need different words (triggers, bytes, a
//!   number that counts by itself) a file of the same name in `postgres/` beside it replaces it for PostgreSQL. What was
//!   released is never edited.
//! - A module with a handle writes each statement once: `$1`, `$2` ... for values, `args![..]` for what they stand for,
//!   `row.get("column")` and `row.json("column")` for what comes back; `Statement` where it depends on what is asked for,
//!   `Insert` for many rows. Sums come as `CAST(SUM(x) AS BIGINT)`, upserts as `ON CONFLICT ... DO UPDATE`.
//! - A test in the `contract!` macro runs on both.

mod accounts;
mod audit;
mod copy;
mod database;
mod error;
mod events;
mod health;
mod keys;
mod labels;
mod limits;
mod location;
mod revisions;
mod room;
mod sessions;
mod settings;
mod staged;
mod teams;
#[cfg(test)]
mod testing;
mod tokens;

use std::path::Path;
use std::sync::Arc;

use database::{Database, Part};
use labels::Labels;

pub use accounts::{AccountChange, AccountRow, Accounts};
pub use audit::{Audit, AuditEntry, AuditFilter, AuditRow, By};
pub use copy::{ColumnKind, ColumnShape, CopyPart, CopyRow, Dump, Load, LoadError, TableShape};
pub use database::Look;
pub use error::{Cause, Error, Result};
pub use events::{Events, LoggedEvent, LogsFilter, Spend, Spending, Sums, UsageBy, UsageFilter, UsageRow};
pub use health::{Health, Problem};
pub use keys::{KeyChange, KeyRow, Keys};
pub use limits::RowLimits;
pub use location::{Location, PostgresUrl, UrlError};
pub use revisions::{ModelRow, NewRevision, Probe, Revision, RevisionFilter, RevisionSummary, Revisions};
pub use room::Room;
pub use sessions::{SessionRow, Sessions};
pub use settings::Settings;
pub use staged::{Staged, StagedEdit, StagedKey, StagedRow};
pub use teams::{TeamChange, TeamRow, Teams};
pub use tokens::{TokenChange, TokenRow, Tokens};

/// Both parts of the store. Cheap to clone.
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
        Self::open_at(&Location::Home(home.to_owned())).await
    }

    /// Opens what `location` names, creating it if absent. A PostgreSQL database belongs to one at a time, until
    /// [`close`](Self::close); another one is a [`Cause::Taken`].
    pub async fn open_at(location: &Location) -> Result<Self> {
        let main = Database::open(location, Part::Main).await?;
        let ledger = Database::open(location, Part::Ledger).await?;
        let store = Self { main: Arc::new(main), ledger: Arc::new(ledger), labels: Labels::default() };
        store.keys().reread().await?;
        Ok(store)
    }

    /// The applied desired states.
    pub fn revisions(&self) -> Revisions<'_> {
        Revisions::new(&self.main)
    }

    /// The edits that are not applied yet.
    pub fn staged(&self) -> Staged<'_> {
        Staged::new(&self.main)
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

    /// The accounts of the admin port.
    pub fn accounts(&self) -> Accounts<'_> {
        Accounts::new(&self.main)
    }

    /// Who is logged in at the admin port.
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions::new(&self.main)
    }

    /// What programs present at the admin port.
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens::new(&self.main)
    }

    /// Who did what.
    pub fn audit(&self) -> Audit<'_> {
        Audit::new(&self.main)
    }

    /// The books.
    pub fn events(&self) -> Events {
        Events::new(self.ledger.clone(), self.labels.clone())
    }

    /// Whether both parts can be written now. Takes a fraction of a second where all is well, and a few seconds at most.
    pub async fn health(&self) -> Health {
        Health::of([&self.main, &self.ledger]).await
    }

    /// Waits for what is under way and closes both parts.
    pub async fn close(&self) {
        self.ledger.close().await;
        self.main.close().await;
    }
}
