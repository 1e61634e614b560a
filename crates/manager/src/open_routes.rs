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

// === impl OpenRoutes ===

impl OpenRoutes {
    /// As it was left; open on a new home.
    pub(crate) async fn read(store: &Store) -> store::Result<Self> {
        let kept = store.settings().get(SETTING).await?;
        Ok(Self(AtomicBool::new(kept.as_deref() != Some(SHUT))))
    }

    pub(crate) fn are_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

// === impl Manager ===

impl Manager {
    /// Opens or shuts all open routes; then whether the gateway has taken it over.
    pub(crate) async fn set_open_routes(&self, open: bool, actor: Actor) -> store::Result<Result<(), GatewayBehind>> {
        // The projection holds revision and intents: one change of either at a time.
        let turn = self.inner().verification.turn().await;
        self.keep_open_routes(open, actor).await?;
        tracing::info!(open, actor = actor.as_str(), "open routes switched");
        if self.current().revision > 0 {
            self.restore_projection();
        }
        drop(turn);
        Ok(self.publish_and_wait().await)
    }

    /// Writes it down, without telling anybody.
    pub(crate) async fn keep_open_routes(&self, open: bool, actor: Actor) -> store::Result<()> {
        let audit = AuditEntry {
            at: self.config().clock.now(),
            actor: actor.as_str(),
            action: if open { "open.on" } else { "open.off" },
            subject: SETTING,
            detail: json!({}),
        };
        self.store().settings().set_audited(SETTING, if open { OPEN } else { SHUT }, &audit).await?;
        self.inner().open_routes.0.store(open, Ordering::SeqCst);
        Ok(())
    }
}
