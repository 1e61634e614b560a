//! The kill switch of the open routes. An intent: it acts at once, is never staged and outlives revisions.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use store::{AuditEntry, Store};

use crate::publish::GatewayBehind;
use crate::{Actor, Manager};

/// Where it stands among the settings.
const SETTING: &str = "open_routes";
const OPEN: &str = "open";
const SHUT: &str = "shut";

/// Whether `/open/<model>/` leads anywhere. Models have to allow it one by one besides.
#[derive(Debug)]
pub(crate) struct OpenRoutes(AtomicBool);

/// The switch could not be written down.
#[derive(Debug, thiserror::Error)]
#[error("open routes are {} now, but that could not be written down and a restart may undo it: {error}",
    if *are_open { "open" } else { "shut" })]
pub(crate) struct NotKept {
    are_open: bool,
    error: store::Error,
}

// === impl OpenRoutes ===

impl OpenRoutes {
    /// As it was left; open on a new home.
    pub(crate) async fn read(store: &Store) -> store::Result<Self> {
        let kept = store.settings().get(SETTING).await?;
        Ok(Self(AtomicBool::new(kept.as_deref() != Some(SHUT))))
    }

    /// Shuts them if they were shut in the store; whether they were open here. Never opens them: they may have been shut while
    /// the store could not be written.
    pub(crate) async fn reread(&self, store: &Store) -> store::Result<bool> {
        let is_shut = !Self::read(store).await?.are_open();
        Ok(is_shut && self.0.swap(false, Ordering::SeqCst))
    }

    pub(crate) fn are_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

// === impl Manager ===

impl Manager {
    /// Opens or shuts all open routes; then whether the gateway has taken it over.
    ///
    /// Shutting acts before it is written down, and whether it can be or not; the error then says that a restart opens
    /// them again.
    pub(crate) async fn set_open_routes(
        &self,
        open: bool,
        actor: &Actor,
    ) -> Result<Result<(), GatewayBehind>, NotKept> {
        let mut behind = Ok(());
        if !open {
            self.inner().open_routes.0.store(false, Ordering::SeqCst);
            behind = self.publish_and_wait().await;
        }
        self.keep_open_routes(open, actor)
            .await
            .map_err(|error| NotKept { are_open: self.inner().open_routes.are_open(), error })?;
        tracing::info!(open, actor = actor.name(), "open routes switched");
        if open {
            behind = self.publish_and_wait().await;
        }
        // The projection holds revision and intents: one change of either at a time.
        let _turn = self.inner().verification.turn().await;
        if self.current().revision > 0 {
            self.restore_projection();
        }
        Ok(behind)
    }

    /// Writes it down, without telling anybody.
    pub(crate) async fn keep_open_routes(&self, open: bool, actor: &Actor) -> store::Result<()> {
        let audit = AuditEntry {
            at: self.config().clock.now(),
            by: actor.by(),
            action: if open { "open.on" } else { "open.off" },
            subject: SETTING,
            detail: json!({}),
        };
        self.store().settings().set_audited(SETTING, if open { OPEN } else { SHUT }, &audit).await?;
        self.inner().open_routes.0.store(open, Ordering::SeqCst);
        Ok(())
    }
}
