use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ambient::{Clock, Rng};
use snapshot::{Keyring, Publisher, Secret};
use store::{Location, PostgresUrl};

use crate::vault::Vault;
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
    /// Keys that seal credentials, if they are given from outside; go in front of those that the home has.
    pub secret_keys: Option<Keyring>,
    /// Where the service listens, or would by itself: rendered files lead there.
    pub addresses: Addresses,
    /// Address of the client port as people reach it, as `http://127.0.0.1:4000`: shown with models.
    pub client_url: Option<String>,
    /// Where a test lets the process die.
    pub fault_points: FaultPoints,
}

/// Where the service listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// For clients.
    pub client: SocketAddr,
    /// For administrators.
    pub admin: SocketAddr,
}

/// What references in a document lead to: environment variables, which are a parameter so that tests bring their own,
/// and what the vault opens.
#[derive(Clone)]
pub struct Environment {
    lookup: Arc<Lookup>,
    vault: Vault,
}

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

// === impl Addresses ===

impl Default for Addresses {
    fn default() -> Self {
        let here = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self { client: here(4000), admin: here(7860) }
    }
}

// === impl Environment ===

impl Environment {
    /// From a function that knows the variables.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { lookup: Arc::new(lookup), vault: Vault::default() }
    }

    /// With a vault that credentials are sealed in.
    pub(crate) fn with_vault(self, vault: Vault) -> Self {
        Self { vault, ..self }
    }

    /// What seals and opens credentials.
    pub(crate) const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The variable `name`, if it is set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
