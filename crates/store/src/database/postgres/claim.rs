//! One manager has a database. The connection that writes holds a lock of the session, so that nothing can be written
//! without it: whoever lost the connection has to take the lock anew, and is told if another manager was faster.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::{Cause, Error, Result};

/// How long the lock is waited for: a connection of ours that was cut off may hold it a moment longer.
const WAIT: &str = "SET lock_timeout = 3000";
const USUAL: &str = "SET lock_timeout = 5000";

/// Two numbers that nobody else will choose.
const LOCK: &str = "SELECT pg_advisory_lock(1162756933, 1752134515)";
const HOLDER: &str =
    "SELECT COALESCE(application_name, '') || ', ' || COALESCE(host(client_addr), 'on the same machine')
    || COALESCE(', since ' || to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC', '') AS holder
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND classid = 1162756933 AND objid = 1752134515 AND granted
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1";

/// A session of the server.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pid: i32,
    /// When it began: numbers of processes are used again.
    started: String,
}

const OURS: &str = "SELECT pid, backend_start::TEXT AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()";
const END: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::TEXT = $2";

/// A commit must outlive a power cut: spool segments are reused and answers are given after it.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', FALSE)
    WHERE current_setting('synchronous_commit') = 'off'";

/// Who has the database, if somebody has.
pub(super) async fn holder(connection: &mut PgConnection) -> sqlx::Result<Option<String>> {
    let row = sqlx::query(HOLDER).fetch_optional(connection).await?;
    row.map(|row| row.try_get("holder")).transpose()
}

/// Takes the database for this manager, for as long as the connection lasts; the session that has it now. The `former` one
/// was given up by us, and is ended: the server may not know that yet, or be in the middle of a statement of it.
pub(crate) async fn take(
    name: &'static str,
    connection: &mut PgConnection,
    former: Option<Session>,
) -> Result<Option<Session>> {
    let other = |error: &sqlx::Error| Error::from_sqlx(name, error);
    if let Some(Session { pid, started }) = former {
        let ended = sqlx::query(END).bind(pid).bind(started).execute(&mut *connection).await;
        ended.map_err(|error| other(&error))?;
    }
    sqlx::raw_sql(WAIT).execute(&mut *connection).await.map_err(|error| other(&error))?;
    match sqlx::raw_sql(LOCK).execute(&mut *connection).await {
        Ok(_) => {}
        Err(error) if Cause::of(&error) == Cause::Locked => {
            let holder = holder(connection).await.ok().flatten();
            let detail = holder.map_or_else(|| "it does not say which".to_owned(), |holder| format!("it is {holder}"));
            return Err(Error::new(name, Cause::Taken, detail));
        }
        Err(error) => return Err(other(&error)),
    }
    for sql in [USUAL, DURABLE] {
        sqlx::raw_sql(sql).execute(&mut *connection).await.map_err(|error| other(&error))?;
    }
    let ours = sqlx::query(OURS).fetch_optional(connection).await.map_err(|error| other(&error))?;
    Ok(ours.and_then(|row| Some(Session { pid: row.try_get("pid").ok()?, started: row.try_get("started").ok()? })))
}
