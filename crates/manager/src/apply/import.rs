use std::sync::atomic::Ordering;

use spec::{Document, Format};

use super::projection::{self, Intents, Projection};
use super::{ApplyError, Artifact, Authored, Proposal};
use crate::current::Current;
use crate::fault_points::Way;
use crate::{Actor, Manager};

/// `config.json` of a home without a store cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[error("config.json in the home cannot be imported: {reason}; correct it, or move it away to start empty")]
pub struct ImportError {
    /// What is wrong.
    pub reason: String,
}

// === impl Manager ===

impl Manager {
    /// Makes `config.json` agree with the revision that applies. Where there is no revision yet, the file, if
    /// there is one, becomes the first: a home can be rebuilt from it. A single command rewrites nothing by this: it may
    /// have come to see what differs, and one that changes the state writes all of it anew.
    pub(crate) async fn settle_projection(&self) -> Result<(), ImportError> {
        let (revision, serves) = (self.current().revision, self.inner().outlet.has_gateway());
        if serves {
            self.clear_unfinished();
        }
        if revision == 0 {
            return self.import().await.map_err(|reason| ImportError { reason });
        }
        if !serves {
            return Ok(());
        }
        let config = self.config().home.config();
        let is_edited = |artifact: &Artifact| artifact.path == config && config.exists() && !artifact.stands();
        let was_edited = self.expected_artifacts().iter().any(is_edited);
        if self.restore_projection() && was_edited {
            tracing::warn!(
                revision,
                "config.json did not match what applies and was rewritten; changes go through `enginehouse apply`"
            );
        }
        Ok(())
    }

    /// Rewrites generated files where they differ from what applies; whether it did.
    pub(crate) fn restore_projection(&self) -> bool {
        let restored = self.expected_artifacts().into_iter().map(Artifact::restore);
        restored.fold(false, |any, restored| match restored {
            Ok(restored) => any | restored,
            Err(error) => {
                tracing::warn!(%error, "a generated file cannot be rewritten; the service goes on without it");
                any
            }
        })
    }

    /// What is generated from what applies, as it should be.
    pub(crate) fn expected_artifacts(&self) -> Vec<Artifact> {
        let (current, intents) = (self.current(), self.intents());
        let Current { revision, digest, document, .. } = &*current;
        self.generated(&Projection { revision: *revision, digest, instance: &self.inner().instance, document, intents })
    }

    /// What was decided outside of the document.
    pub(super) fn intents(&self) -> Intents {
        Intents { open_routes: self.inner().open_routes.are_open(), stopped: self.inner().stopped.names() }
    }

    async fn import(&self) -> Result<(), String> {
        let Some(text) = projection::read(&self.config().home).map_err(|error| error.to_string())? else {
            return Ok(());
        };
        let document = read(&text, self).map_err(|error| error.to_string())?;
        if let Some(intents) = projection::read_intents(&self.config().home) {
            let kept = self.keep_open_routes(intents.open_routes, &Actor::import()).await;
            kept.map_err(|error| error.to_string())?;
            if !intents.stopped.is_empty() {
                let names = intents.stopped.into_iter().collect();
                let kept = self.keep_stopped(names, "model.stop", "config.json", &Actor::import()).await;
                kept.map_err(|error| error.to_string())?;
            }
        }
        let document_is_empty = document == Document::default();
        let proposal = Proposal::back_to(&self.current(), document);
        let authored = Authored { way: Way::Apply, actor: &Actor::import(), message: "" };
        let revision = self.commit(&proposal, authored, None).await.map_err(|error| error.to_string())?;
        tracing::info!(revision, "config.json was imported");
        if !document_is_empty {
            self.inner().rebuilt.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn read(text: &str, manager: &Manager) -> Result<Document, ApplyError> {
    let mut document = spec::parse(text, Format::Json)?;
    document.absolutize(manager.config().home.path());
    spec::validate(&document)?;
    document.assign_ids(None, &mut || hex::encode(manager.config().rng.bytes::<6>()));
    Ok(document)
}
