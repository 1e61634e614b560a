use hub::{Progress, Revision};
use spec::placeholder::{Placeholder, holds};
use tokio_util::sync::CancellationToken;

use super::Desired;
use super::launch::resolve;
use super::replica::{Phase, Step};
use crate::Manager;
use crate::hub::{Coming, Need};

/// With it, an engine is told whether to fetch by itself.
const OFFLINE: &str = "HF_HUB_OFFLINE";

// === impl Manager ===

impl Manager {
    /// Begins to fetch the model of a replica: engines start offline. Once that has ended, a later pass starts it.
    pub(super) fn fetch(&self, desired: Desired, need: Need) {
        self.begin_start(&desired);
        let abandon = CancellationToken::new();
        let model = need.repository.to_string();
        let step = Step::Downloading { model: model.clone(), progress: Progress::default() };
        self.inner().fleet.update(&desired.id, |replica| {
            replica.phase = Phase::Preparing { step };
            replica.preparation = Some(abandon.clone());
            replica.is_fetching = true;
        });
        tracing::info!(replica = desired.id, model, "fetching the model first");
        let manager = self.clone();
        self.spawn(async move {
            let told = |coming| {
                let step = match coming {
                    Coming::Queued(reason) => Step::Waiting { reason },
                    Coming::Running(progress) => Step::Downloading { model: model.clone(), progress },
                };
                manager.step(&desired.id, step);
            };
            let fetched = abandon.run_until_cancelled(manager.fetch_for_engine(&need, told)).await;
            manager.fetched(&desired, fetched);
        });
    }

    fn fetched(&self, desired: &Desired, fetched: Option<Result<(), String>>) {
        if let Some(Err(reason)) = &fetched {
            tracing::warn!(replica = desired.id, reason, "model cannot be fetched");
        }
        let now = self.config().clock.now();
        self.inner().fleet.update(&desired.id, |replica| {
            (replica.preparation, replica.is_fetching) = (None, false);
            match fetched {
                Some(Err(reason)) => return replica.fail(reason, now),
                Some(Ok(())) => replica.fetched = Some(desired.spec_hash.clone()),
                None => {}
            }
            replica.phase = Phase::Pending;
        });
        self.inner().nudge.notify_one();
    }

    /// What a replica needs of the Hub; nothing where its source is no model there, its command does not use it, or it was
    /// said that nothing is to be fetched for it.
    pub(super) fn need(&self, desired: &Desired) -> Result<Option<Need>, String> {
        let (engine, config) = (&desired.engine, self.config());
        let uses_source = |words: &[String]| holds(words, Placeholder::Source);
        let is_used = engine.command.is_empty() || uses_source(&engine.command) || uses_source(&engine.args);
        let Ok(repository) = resolve(&config.env, &engine.source)?.parse::<hub::Repository>() else { return Ok(None) };
        if !is_used || self.current().document.defaults.offline {
            return Ok(None);
        }
        let own = |name: &str| desired.env.get(name).and_then(|value| resolve(&config.env, value).ok());
        let fetches_itself = own(OFFLINE).is_some_and(|value| matches!(value.trim(), "0" | "false" | "no" | "off"));
        let folder = desired.container.as_ref().and_then(|container| container.common.cache.as_deref());
        let is_volume = folder.is_some_and(|folder| !folder.starts_with('/'));
        if fetches_itself || is_volume {
            return Ok(None);
        }
        // That an engine is offline is no word on us: all are.
        let given = |name: &str| if name == OFFLINE { None } else { own(name) };
        let settings = self.hub_settings_with(|name| given(name).or_else(|| config.env.get(name)));
        let mut settings = settings.map_err(|error| error.to_string())?;
        if settings.offline {
            return Ok(None);
        }
        if desired.container.is_some() {
            settings.cache = self.container_cache(folder)?;
        }
        let revision = engine.revision.as_deref().map(|revision| resolve(&config.env, revision)).transpose()?;
        let revision = revision.map(|text| text.parse::<Revision>()).transpose().map_err(|error| error.to_string())?;
        Ok(Some(Need { repository, revision: revision.unwrap_or_default(), settings }))
    }
}
