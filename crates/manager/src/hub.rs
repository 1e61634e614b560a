//! Models in the cache of this machine: fetched as jobs, listed, removed. The crate `hub` does the work; here stand who asked,
//! how far it is, and what must stay.

use hub::{HubError, InUse, SettingsError};
use spec::Document;

use crate::Manager;
use crate::credentials::{self, Unresolved};
use crate::reconciler::Source;

mod for_engine;
mod manage;
mod pulls;

pub(crate) use for_engine::{Coming, Need};
pub(crate) use manage::NewPull;
pub(crate) use pulls::{Pull, PullState, Pulls};

/// Pulls that run at once.
const AT_ONCE: usize = 4;

/// The hub or the cache cannot be used as wished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HubFault {
    #[error("{1}")]
    Field(&'static str, String),
    #[error("there is no such pull (any more)")]
    NoPull,
    #[error("{model} is being pulled already, as {id}")]
    Runs { model: String, id: String },
    #[error("{0} pulls run already: wait for one of them, or cancel it")]
    TooMany(usize),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Cache(#[from] hub::CacheError),
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The work panicked.
    #[error("the cache cannot be read: {0}")]
    Task(String),
}

// === impl Manager ===

impl Manager {
    /// As the environment says; where that knows no place for a cache, it is in the home.
    pub(crate) fn hub_settings(&self) -> Result<hub::Settings, SettingsError> {
        self.hub_settings_with(|name| self.config().env.get(name))
    }

    /// The same with variables that an engine brings along.
    pub(crate) fn hub_settings_with(
        &self,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<hub::Settings, SettingsError> {
        match hub::Settings::from_environment(&get) {
            Err(SettingsError::NoHome) => {
                let own = self.config().home.path().join("hub").display().to_string();
                hub::Settings::from_environment(|name| if name == "HF_HOME" { Some(own.clone()) } else { get(name) })
            }
            settings => settings,
        }
    }

    /// What must stay in the cache: what applies needs it, or an engine that has not ended yet.
    pub(crate) fn models_in_use(&self) -> Vec<InUse> {
        let mut all = models_in_use(&self.current().document, |name| self.config().env.get(name));
        let running = self.inner().fleet.sources().into_iter();
        all.extend(running.map(|(id, Source { model, revision })| InUse {
            repository: model,
            revision,
            by: format!("the engine {id}, which still runs"),
        }));
        all
    }

    fn hub_token(&self, credential: &str) -> Result<hub::Token, HubFault> {
        let current = self.current();
        let secret = credentials::resolve(&current.document.credentials, credential, &self.config().env);
        let secret = secret.map_err(|fault: Unresolved| HubFault::Field("credential", fault.to_string()))?;
        Ok(hub::Token::new(secret.expose())?)
    }
}

/// What the engines of a document need of the cache. A source or a revision that refers to the environment is what `get` says.
pub fn models_in_use(document: &Document, get: impl Fn(&str) -> Option<String>) -> Vec<InUse> {
    let resolved = |text: &String| spec::environment_variable(text).map_or_else(|| Some(text.clone()), &get);
    let engines = document.models.iter().flat_map(|model| {
        let engines = model.deployments.iter().filter_map(|deployment| deployment.engine.as_ref());
        engines.map(|engine| InUse {
            // What is not known names nothing in the cache, and starts nothing either.
            repository: resolved(&engine.source).unwrap_or_default(),
            // Whichever that is, all of the model stays.
            revision: engine.revision.as_ref().and_then(resolved),
            by: format!("the model {}", model.name),
        })
    });
    engines.collect()
}

#[cfg(test)]
mod tests {
    use spec::{Format, parse};

    use super::*;

    #[test]
    fn what_the_environment_names_is_in_use_too() {
        let document = parse(
            "version: 1
models: [{ name: m, type: chat, deployments: [{ engine: { source: os.environ/MODEL, revision: os.environ/REVISION } }] }]",
            Format::Yaml,
        );
        let get = |name: &str| (name == "MODEL").then(|| "Org/M".to_owned());
        let in_use = models_in_use(&document.unwrap(), get);
        assert_eq!((in_use[0].repository.as_str(), &in_use[0].revision), ("Org/M", &None));
    }
}
