//! Models whose engines were told to be stopped. An intent: it acts at once, is never staged and outlives revisions.

use std::collections::BTreeSet;

use parking_lot::RwLock;
use serde_json::json;
use store::{AuditEntry, Store};

use crate::{Actor, Manager};

/// Where they stand among the settings.
const SETTING: &str = "stopped_models";

/// Models whose engines are stopped, by name. Bounded by what documents hold.
#[derive(Debug, Default)]
pub(crate) struct Stopped(RwLock<BTreeSet<String>>);

/// A model cannot be stopped or started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntentError {
    #[error("there is no such model{}", hint(meant.as_deref()))]
    Unknown {
        /// One whose name is like it.
        meant: Option<String>,
    },
    #[error("the model runs elsewhere: it has no engine here that could be started or stopped")]
    NoEngine,
    #[error("the model is stopped; `enginehouse model start` starts it")]
    Stopped,
    #[error("{0}")]
    Overbooked(String),
    #[error(transparent)]
    Store(#[from] store::Error),
}

// === impl Stopped ===

impl Stopped {
    /// As it was left.
    pub(crate) async fn read(store: &Store) -> store::Result<Self> {
        let kept = store.settings().get(SETTING).await?;
        Ok(Self(RwLock::new(kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())))
    }

    pub(crate) fn holds(&self, model: &str) -> bool {
        self.0.read().contains(model)
    }

    /// All of them.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.read().iter().cloned().collect()
    }
}

// === impl Manager ===

impl Manager {
    /// Stops the engines of a model, or lets them start; whether that changes anything.
    pub(crate) async fn set_stopped(&self, model: &str, stopped: bool, actor: &Actor) -> Result<bool, IntentError> {
        self.check_has_engine(model)?;
        if !stopped
            && self.inner().stopped.holds(model)
            && let Some(reason) = self.overbooked_with(model).await
        {
            return Err(IntentError::Overbooked(reason));
        }
        // The projection holds revision and intents: one change of either at a time.
        let _turn = self.inner().verification.turn().await;
        if self.inner().stopped.holds(model) == stopped {
            return Ok(false);
        }
        let mut names = self.inner().stopped.0.read().clone();
        names.retain(|name| self.current().document.models.iter().any(|model| model.name == *name));
        if stopped {
            names.insert(model.to_owned());
        } else {
            names.remove(model);
        }
        self.keep_stopped(names, if stopped { "model.stop" } else { "model.start" }, model, actor).await?;
        tracing::info!(model, stopped, actor = actor.name(), "engines of a model switched");
        if self.current().revision > 0 {
            self.restore_projection();
        }
        self.inner().nudge.notify_one();
        Ok(true)
    }

    /// Stops the engines of a model and lets them start again.
    pub(crate) async fn restart_model(&self, model: &str, actor: &Actor) -> Result<(), IntentError> {
        self.note_renewal("model.restart", model, actor).await?;
        self.restart_replicas(model);
        Ok(())
    }

    /// Replaces the engines of a model one after the other, without a request lost where there is room for both.
    pub(crate) async fn replace_model(&self, model: &str, actor: &Actor) -> Result<(), IntentError> {
        self.note_renewal("model.replace", model, actor).await?;
        self.replace_replicas(model);
        Ok(())
    }

    async fn note_renewal(&self, action: &'static str, model: &str, actor: &Actor) -> Result<(), IntentError> {
        self.check_has_engine(model)?;
        if self.inner().stopped.holds(model) {
            return Err(IntentError::Stopped);
        }
        let audit = self.audit_of(action, model, actor);
        // Nothing of the setting changes; it is written so that the row of the audit has a transaction.
        let names = self.inner().stopped.0.read().clone();
        self.store().settings().set_audited(SETTING, &text(&names), &audit).await?;
        Ok(())
    }

    /// Takes over what a projection holds.
    pub(crate) async fn keep_stopped(
        &self,
        names: BTreeSet<String>,
        action: &'static str,
        model: &str,
        actor: &Actor,
    ) -> store::Result<()> {
        let audit = self.audit_of(action, model, actor);
        self.store().settings().set_audited(SETTING, &text(&names), &audit).await?;
        *self.inner().stopped.0.write() = names;
        Ok(())
    }

    fn audit_of<'a>(&self, action: &'static str, subject: &'a str, actor: &'a Actor) -> AuditEntry<'a> {
        AuditEntry { at: self.config().clock.now(), by: actor.by(), action, subject, detail: json!({}) }
    }

    fn check_has_engine(&self, model: &str) -> Result<(), IntentError> {
        let current = self.current();
        let found = current.document.models.iter().find(|known| known.name == model);
        let model = found.ok_or_else(|| self.unknown_model(model))?;
        let has_engine = model.deployments.iter().any(|deployment| deployment.engine.is_some());
        if has_engine { Ok(()) } else { Err(IntentError::NoEngine) }
    }
}

fn hint(meant: Option<&str>) -> String {
    meant.map_or_else(|| "; `enginehouse model list` shows all".to_owned(), |name| format!("; did you mean {name}?"))
}

fn text(names: &BTreeSet<String>) -> String {
    // Cannot fail: it is a list of strings.
    serde_json::to_string(names).unwrap_or_default()
}
