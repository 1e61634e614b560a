use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::time::timeout;

use super::claim;
use crate::database::Part;
use crate::{Cause, Error, PostgresUrl, Result};

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a database of PostgreSQL is like, for somebody who checks the set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// As `15.8`.
    pub version: String,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// Whether nothing can be written now.
    pub is_read_only: bool,
    /// Whether our tables are there, or could be made.
    pub may_create: bool,
    /// Which manager uses it now.
    pub holder: Option<String>,
}

const LOOK: &str = "SELECT current_setting('server_version') AS version,
    COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE) AS is_encrypted,
    current_setting('transaction_read_only') = 'on' AS is_read_only,
    (SELECT COUNT(*) FROM pg_namespace WHERE nspname IN ($1, $2)) = 2
        OR has_database_privilege(current_database(), 'CREATE') AS may_create";

// === impl PostgresUrl ===

impl PostgresUrl {
    /// Connects and looks, within a few seconds; changes nothing.
    pub async fn look(&self) -> Result<Look> {
        let name = Part::Main.postgres_name();
        let looked = timeout(PATIENCE, Box::pin(self.try_look())).await;
        let looked = looked.map_err(|_| Error::new(name, Cause::Away, "the server does not answer in time"))?;
        looked.map_err(|error| Error::from_sqlx(name, &error))
    }

    async fn try_look(&self) -> sqlx::Result<Look> {
        let mut connection: PgConnection = self.options().connect().await?;
        let row =
            sqlx::query(LOOK).bind(Part::Main.schema()).bind(Part::Ledger.schema()).fetch_one(&mut connection).await?;
        let look = Look {
            version: row.try_get("version")?,
            is_encrypted: row.try_get("is_encrypted")?,
            is_read_only: row.try_get("is_read_only")?,
            may_create: row.try_get("may_create")?,
            holder: claim::holder(&mut connection).await?,
        };
        connection.close().await?;
        Ok(look)
    }
}
