use std::sync::Weak;

use hub::{Cache, CachedModel, Glob, Hub, Progress, Removed, Repository, Revision, Wish};
use serde_json::json;
use store::AuditEntry;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{AT_ONCE, HubFault, Pull, PullState};
use crate::{Actor, Manager};

/// A pull to be begun.
#[derive(Debug)]
pub(crate) struct NewPull {
    pub(crate) model: String,
    pub(crate) revision: Option<String>,
    pub(crate) include: Vec<String>,
    /// The credential whose secret is the token.
    pub(crate) credential: Option<String>,
}

// === impl Manager ===

impl Manager {
    /// What is in the cache, by name.
    pub(crate) async fn cached_models(&self) -> Result<Vec<CachedModel>, HubFault> {
        let cache = Cache::new(self.hub_settings()?.cache);
        let models = tokio::task::spawn_blocking(move || cache.models()).await;
        Ok(models.map_err(|error| HubFault::Task(error.to_string()))??)
    }

    /// Begins a pull, which goes on by itself.
    pub(crate) async fn begin_pull(&self, new: NewPull, actor: &Actor) -> Result<Pull, HubFault> {
        let wish = wish(&new)?;
        let mut settings = self.hub_settings()?;
        if let Some(credential) = &new.credential {
            settings.token = Some(self.hub_token(credential)?);
        }
        let detail = json!({ "revision": wish.revision.as_str(), "include": new.include });
        self.launch_pull(wish, settings, actor, detail, (CancellationToken::new(), None)).await
    }

    /// Begins a pull that nobody is doing yet. One that is `held` ends when nobody holds it any more.
    pub(super) async fn launch_pull(
        &self,
        wish: Wish,
        settings: hub::Settings,
        actor: &Actor,
        mut detail: serde_json::Value,
        (cancel, held): (CancellationToken, Option<Weak<DropGuard>>),
    ) -> Result<Pull, HubFault> {
        let cache = settings.cache.clone();
        let hub = Hub::new(settings, self.config().rng.clone())?;
        let (told, progress) = watch::channel(Progress::default());
        let pull = Pull {
            id: String::new(),
            model: wish.repository.to_string(),
            revision: wish.revision.to_string(),
            cache,
            actor: actor.name().to_owned(),
            began: self.config().clock.now(),
            state: PullState::Running,
            message: None,
            pulled: None,
            progress,
            cancel: cancel.clone(),
            held,
        };
        let id = self.inner().pulls.add(pull, fits)?;
        detail["id"] = id.as_str().into();
        if let Err(error) = self.audit_hub(actor, "hub.pull", wish.repository.as_str(), detail).await {
            self.inner().pulls.end(&id, PullState::Failed, Some(error.to_string()), None);
            return Err(error);
        }
        self.spawn({
            let (manager, id) = (self.clone(), id.clone());
            async move {
                let pulled = cancel.run_until_cancelled(hub.pull(&wish, &told)).await;
                let (state, message, pulled) = match pulled {
                    None => (PullState::Cancelled, None, None),
                    Some(Ok(pulled)) => (PullState::Succeeded, None, Some(pulled)),
                    Some(Err(error)) => (PullState::Failed, Some(error.to_string()), None),
                };
                manager.inner().pulls.end(&id, state, message, pulled);
            }
        });
        self.inner().pulls.get(&id).ok_or(HubFault::NoPull)
    }

    /// Ends a pull; one that has ended stays as it is.
    pub(crate) async fn cancel_pull(&self, id: &str, actor: &Actor) -> Result<Pull, HubFault> {
        let pull = self.inner().pulls.get(id).ok_or(HubFault::NoPull)?;
        self.audit_hub(actor, "hub.cancel", &pull.model, json!({ "id": id })).await?;
        pull.cancel.cancel();
        self.inner().pulls.get(id).ok_or(HubFault::NoPull)
    }

    /// Takes a model or a revision of it away, unless a model that applies needs it, or an engine that still runs.
    pub(crate) async fn remove_cached(
        &self,
        model: &str,
        revision: Option<&str>,
        actor: &Actor,
    ) -> Result<Removed, HubFault> {
        let (repository, revision) = (read_model(model)?, revision.map(read_revision).transpose()?);
        let cache = Cache::new(self.hub_settings()?.cache);
        let in_use = self.models_in_use();
        let name = repository.to_string();
        let removed = tokio::task::spawn_blocking(move || cache.remove(&repository, revision.as_ref(), &in_use)).await;
        let removed = removed.map_err(|error| HubFault::Task(error.to_string()))??;
        let detail = json!({ "revisions": removed.revisions, "freed_bytes": removed.freed_bytes });
        self.audit_hub(actor, "hub.remove", &name, detail).await?;
        Ok(removed)
    }

    async fn audit_hub(
        &self,
        actor: &Actor,
        action: &str,
        subject: &str,
        detail: serde_json::Value,
    ) -> Result<(), HubFault> {
        let entry = AuditEntry { at: self.config().clock.now(), by: actor.by(), action, subject, detail };
        Ok(self.store().audit().add(&entry).await?)
    }
}

fn fits(running: &[&Pull], new: &Pull) -> Result<(), HubFault> {
    let same = |pull: &&&Pull| (&pull.model, &pull.revision, &pull.cache) == (&new.model, &new.revision, &new.cache);
    if let Some(same) = running.iter().find(same) {
        return Err(HubFault::Runs { model: same.model.clone(), id: same.id.clone() });
    }
    if running.len() >= AT_ONCE { Err(HubFault::TooMany(AT_ONCE)) } else { Ok(()) }
}

fn wish(new: &NewPull) -> Result<Wish, HubFault> {
    let repository = read_model(&new.model)?;
    let revision = new.revision.as_deref().map(read_revision).transpose()?.unwrap_or_default();
    let globs = new.include.iter().map(|glob| glob.parse::<Glob>());
    let include =
        globs.collect::<Result<Vec<_>, _>>().map_err(|error| HubFault::Field("include", error.to_string()))?;
    Ok(Wish { repository, revision, choice: include.into() })
}

fn read_model(text: &str) -> Result<Repository, HubFault> {
    text.parse().map_err(|error: hub::UnfitRepository| HubFault::Field("model", error.to_string()))
}

fn read_revision(text: &str) -> Result<Revision, HubFault> {
    text.parse().map_err(|error: hub::UnfitRevision| HubFault::Field("revision", error.to_string()))
}
