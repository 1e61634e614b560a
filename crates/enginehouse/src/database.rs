//! Where the store is: in the home, unless the environment names a database.

use manager::PostgresUrl;

use crate::exit::UsageError;
use crate::home::Home;
use crate::secret_env;

/// Names a database of PostgreSQL; like every such variable also as `ENGINEHOUSE_DATABASE_URL_FILE`.
const VARIABLE: &str = "ENGINEHOUSE_DATABASE_URL";

/// Characters of this machine's name that are told.
const HOST: usize = 20;

/// The database that the environment names; none leaves the store in the home. The server lists our connections under
/// the name of this machine and home, so that a second manager can be told who the first one is.
pub(crate) fn from_environment(home: &Home) -> Result<Option<PostgresUrl>, UsageError> {
    let Some(url) = secret_env::read(VARIABLE)? else { return Ok(None) };
    let url: PostgresUrl = url.expose().parse().map_err(|error| UsageError(format!("{VARIABLE}: {error}")))?;
    // The server cuts the name after 63 bytes: the home is worth some of them.
    let host: String = rustix::system::uname().nodename().to_string_lossy().chars().take(HOST).collect();
    Ok(Some(url.named(&format!("{host}:{}", home.path().display()))))
}
