use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Rng};
use snapshot::{Publisher, Secret};
use store::{Location, PostgresUrl};

use crate::{FaultPoints, Home};

/// What a manager is made from.
#[derive(Debug)]
pub struct ManagerConfig {
    /// The folder with all state.
    pub home: Home,
    /// The database of PostgreSQL that holds the store; none keeps it in the home, in SQLite.
    pub database: Option<PostgresUrl>,
    /// Time of day.
    pub clock: Clock,
    /// Where keys and ids come from.
    pub rng: Rng,
    /// The environment that `os.environ/NAME` refers to.
    pub env: Environment,
    /// The master key, if it is given from outside; replaces the one that was kept.
    pub master_key: Option<Secret>,
    /// The password of the first account, if it is given from outside; replaces the one that it has whenever another
    /// one is given than the last time.
    pub admin_password: Option<Secret>,
    /// Whether a master key and a first account are made where none was ever given or made. Off for one-shot commands on
    /// a home where nothing runs, so that the first `serve` makes and shows them.
    pub make_secrets: bool,
    /// Whether the admin port will be open to other machines: some account must have a password then.
    pub admin_is_exposed: bool,
    /// The way to the gateways, in this process or others; none in a one-shot command.
    pub publisher: Option<Publisher>,
    /// Address of the client port as people reach it, as `http://127.0.0.1:4000`: shown with models.
    pub client_url: Option<String>,
    /// Where a test lets the process die.
    pub fault_points: FaultPoints,
}

/// Looks up environment variables; a parameter, so that tests bring their own.
#[derive(Clone)]
pub struct Environment(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

// === impl ManagerConfig ===

impl ManagerConfig {
    /// Where the store is.
    pub(crate) fn location(&self) -> Location {
        match &self.database {
            Some(url) => Location::Postgres(url.clone()),
            None => Location::Home(self.home.path().to_owned()),
        }
    }
}

// === impl Environment ===

impl Environment {
    /// From a function that knows the variables.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// The variable `name`, if it is set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
