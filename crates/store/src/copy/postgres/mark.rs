//! What tells a database that was filled from one that was not, wherever whoever filled it died: a word that only the two
//! know, which becomes visible with everything else.

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::{CONNECT, options};
use crate::database::Part;
use crate::{Cause, Error, PostgresUrl, Result};

/// Under which name it stands among the settings.
const NAME: &str = "filled";

const IS_STORE: &str = "SELECT to_regclass('enginehouse.settings') IS NOT NULL";
const PUT: &str = "INSERT INTO enginehouse.settings (name, value) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value";
const HAS: &str = "SELECT EXISTS (SELECT 1 FROM enginehouse.settings WHERE name = $1 AND value = $2)";
const CLEAR: &str = "DELETE FROM enginehouse.settings WHERE name = $1";

// === impl PostgresUrl ===

impl PostgresUrl {
    /// Whether the database was filled with this mark, and is whole.
    pub async fn has_mark(&self, mark: &str) -> Result<bool> {
        within(Box::pin(async {
            let mut connection = options(self).connect().await?;
            let is_store = sqlx::query_scalar::<_, bool>(IS_STORE).fetch_one(&mut connection).await?;
            let has_mark =
                is_store && sqlx::query_scalar::<_, bool>(HAS).bind(NAME).bind(mark).fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(has_mark)
        }))
        .await
    }

    /// Takes the mark away, once nobody will ask for it any more.
    pub async fn clear_mark(&self) -> Result<()> {
        within(Box::pin(async {
            let mut connection = options(self).connect().await?;
            sqlx::query(CLEAR).bind(NAME).execute(&mut connection).await?;
            connection.close().await
        }))
        .await
    }
}

pub(super) async fn put(connection: &mut PgConnection, mark: &str) -> sqlx::Result<()> {
    sqlx::query(PUT).bind(NAME).bind(mark).execute(connection).await.map(drop)
}

async fn within<T>(done: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    let name = Part::Main.postgres_name();
    let late = |_| Error::new(name, Cause::Away, "the server does not answer in time");
    timeout(2 * CONNECT, done).await.map_err(late)?.map_err(|error| Error::from_sqlx(name, &error))
}
