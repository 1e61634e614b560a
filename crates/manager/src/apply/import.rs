use spec::{Document, Format};

use super::{ApplyError, Proposal, projection};
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
    /// there is one, becomes the first: a home can be rebuilt from it.
    pub(crate) async fn settle_projection(&self) -> Result<(), ImportError> {
        let (home, current) = (&self.config().home, self.current());
        if current.revision == 0 {
            return self.import().await.map_err(|reason| ImportError { reason });
        }
        let existed = home.config().exists();
        match projection::restore(home, current.revision, &current.digest, &current.document) {
            Ok(true) if existed => tracing::warn!(
                revision = current.revision,
                "config.json did not match what applies and was rewritten; changes go through `enginehouse apply`"
            ),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "config.json cannot be rewritten; the service goes on without it"),
        }
        Ok(())
    }

    async fn import(&self) -> Result<(), String> {
        let Some(text) = projection::read(&self.config().home).map_err(|error| error.to_string())? else {
            return Ok(());
        };
        let document = read(&text, self).map_err(|error| error.to_string())?;
        let proposal = Proposal::back_to(&self.current(), document);
        let revision = self.commit(&proposal, Actor::Import, None).await.map_err(|error| error.to_string())?;
        tracing::info!(revision, "config.json was imported");
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
