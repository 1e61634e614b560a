use std::cell::RefCell;
use std::fs;

use ambient::Rng;
use anyhow::Context as _;
use hub::{Cache, Hub, InUse, Settings};

use crate::cli::Globals;
use crate::home::Home;
use crate::secret_env;

/// The cache of whoever types it.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) settings: Settings,
    home: Home,
}

// === impl Direct ===

impl Direct {
    pub(super) fn new(globals: &Globals) -> anyhow::Result<Self> {
        let token = secret_env::read("HF_TOKEN")?;
        let get = |name: &str| match (name, &token) {
            ("HF_TOKEN", Some(token)) => Some(token.expose().to_owned()),
            _ => std::env::var(name).ok(),
        };
        Ok(Self { settings: Settings::from_environment(get)?, home: Home::resolve(globals)? })
    }

    pub(super) fn hub(&self) -> anyhow::Result<Hub> {
        Ok(Hub::new(self.settings.clone(), Rng::system())?)
    }

    pub(super) fn cache(&self) -> Cache {
        Cache::new(&self.settings.cache)
    }

    /// What the engines of the home need, should they run on though the service does not.
    pub(super) fn in_use(&self) -> anyhow::Result<Vec<InUse>> {
        let path = self.home.path().join("config.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot see in {} which models are in use", path.display()));
            }
        };
        let document = spec::parse(&manager::document_in(&text), spec::Format::Json);
        let document = document.with_context(|| format!("cannot see in {} which models are in use", path.display()))?;
        let unset = RefCell::new(None);
        let get = |name: &str| {
            let value = std::env::var(name).ok();
            if value.is_none() {
                unset.replace(Some(name.to_owned()));
            }
            value
        };
        let in_use = manager::models_in_use(&document, get);
        match unset.into_inner() {
            None => Ok(in_use),
            Some(name) => anyhow::bail!(
                "an engine's model is named by the variable {name}, which is not set here: set it as for the service, so \
                 that no model that is in use is removed"
            ),
        }
    }
}
