//! The two schemas of a database.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::PostgresUrl;

mod dump;
mod load;
mod mark;
mod shape;
mod value;

pub(super) use dump::Dump;
pub(super) use load::Load;

/// How long the server may take to let us in.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one statement may take, in milliseconds: pages are small, but a server that has much to do is waited for.
const STATEMENT: &str = "120000";

/// How a copy connects: the moment that it reads as of, or the change that it is, may take hours.
fn options(url: &PostgresUrl) -> PgConnectOptions {
    url.options().clone().options([
        ("statement_timeout", STATEMENT),
        ("idle_in_transaction_session_timeout", "0"),
        ("tcp_keepalives_idle", "15"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ])
}
