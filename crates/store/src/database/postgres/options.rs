use sqlx::postgres::PgConnectOptions;

use crate::PostgresUrl;
use crate::database::Part;

/// How long a change waits for a row or a table that another one holds; in milliseconds, as all of these.
const LOCK: &str = "5000";
/// How long one statement of a change may take.
pub(super) const WRITE_MILLIS: u64 = 10_000;
/// How long a query may take: pages of usage over a large table take their time.
pub(super) const READ_MILLIS: u64 = 30_000;
/// How long a transaction may wait for our next statement, so that nothing of ours that hangs holds up the server.
const IDLE: &str = "30000";

/// Connections that read.
pub(super) fn read(url: &PostgresUrl, part: Part) -> (PgConnectOptions, u64) {
    (bounded(url, part, READ_MILLIS), READ_MILLIS)
}

/// Connections that change something.
pub(super) fn write(url: &PostgresUrl, part: Part) -> (PgConnectOptions, u64) {
    (bounded(url, part, WRITE_MILLIS), WRITE_MILLIS)
}

fn bounded(url: &PostgresUrl, part: Part, statement: u64) -> PgConnectOptions {
    let statement = statement.to_string();
    url.options().clone().options([
        ("search_path", part.schema()),
        ("statement_timeout", &statement),
        ("lock_timeout", LOCK),
        ("idle_in_transaction_session_timeout", IDLE),
        // A client that lost power is noticed within half a minute, and gives the database free for another manager.
        ("tcp_keepalives_idle", "15"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ])
}
