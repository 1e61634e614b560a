//! Throw-away stores for tests.

use std::sync::Arc;

use ambient::Timestamp;
use ledger::{Event, Nanos, Open, Outcome, Price, Usage, UsageSource};
use test_postgres::Postgres;

use crate::database::{Database, Part};
use crate::labels::Labels;
use crate::{Events, Location, Store};

/// A store in a folder that goes when the test ends.
pub(crate) async fn store() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).await.unwrap();
    (home, store)
}

/// Makes two tests of each scenario, an asynchronous function of a [`Backend`]: one on SQLite, one on a real PostgreSQL.
macro_rules! contract {
    ($($scenario:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario($crate::testing::Backend::sqlite()).await;
            })+
        }

        mod postgres {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario($crate::testing::Backend::postgres()).await;
            })+
        }
    };
}
pub(crate) use contract;

/// An empty place for a store, which goes when the test ends.
pub(crate) enum Backend {
    Sqlite(tempfile::TempDir),
    Postgres(Box<Postgres>),
}

impl Backend {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(Box::new(Postgres::start()))
    }

    /// Makes it empty again. Nothing of it may be open.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Sqlite(_) => *self = Self::sqlite(),
            Self::Postgres(server) => {
                server.sql("DROP SCHEMA IF EXISTS enginehouse CASCADE");
                server.sql("DROP SCHEMA IF EXISTS enginehouse_ledger CASCADE");
            }
        }
    }

    pub(crate) fn location(&self) -> Location {
        match self {
            Self::Sqlite(home) => Location::Home(home.path().to_owned()),
            Self::Postgres(server) => Location::Postgres(server.url().parse().unwrap()),
        }
    }

    /// Opens the store, as a manager does.
    pub(crate) async fn open(&self) -> Store {
        Store::open_at(&self.location()).await.unwrap()
    }

    /// The books alone, as one of many who write them.
    pub(crate) async fn events(&self) -> Events {
        let ledger = Database::open(&self.location(), Part::Ledger).await.unwrap();
        Events::new(ledger.into(), Labels::default())
    }
}

/// An event of `key` on `model`, closed `second`s after the epoch.
pub(crate) fn event(sequence: u64, key: &str, model: &str, second: i64, cost: i64) -> Event {
    let at = Timestamp::from_micros(second * 1_000_000);
    Event {
        open: Open {
            sequence,
            request_id: format!("request-{sequence}").into(),
            opened_at: at,
            key: Arc::from(key),
            model: Arc::from(model),
            surface: "chat/completions".into(),
            stream: false,
            price: Price::default(),
            prompt_tokens_estimate: 5,
            reserved: Nanos::ZERO,
            requested: None,
        },
        closed_at: at,
        outcome: Outcome::Completed,
        status: 200,
        usage: Usage { prompt_tokens: 10, cached_tokens: 4, completion_tokens: 3, ..Usage::default() },
        usage_source: UsageSource::Engine,
        cost: Nanos(cost),
        first_byte_micros: Some(1500),
        attempts: Vec::new(),
    }
}
