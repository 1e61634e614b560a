use spec::Document;

use crate::apply::{Applied, ApplyError, EditHow};
use crate::stopped::IntentError;
use crate::{Actor, Manager};

/// A model cannot be removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoveError {
    #[error(transparent)]
    Unknown(#[from] IntentError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

// === impl Manager ===

impl Manager {
    /// Removes a model, as a change set of its own: its engines answer what they have, and end.
    pub(crate) async fn remove_model(
        &self,
        name: &str,
        message: &str,
        how: EditHow,
        actor: &Actor,
    ) -> Result<Applied, RemoveError> {
        self.apply_edit(message, actor, how, |document: &mut Document| {
            let before = document.models.len();
            document.models.retain(|model| model.name != name);
            if document.models.len() == before { Err(self.unknown_model(name).into()) } else { Ok(()) }
        })
        .await
    }

    /// There is no such model; the one that may be meant.
    pub(crate) fn unknown_model(&self, name: &str) -> IntentError {
        let current = self.current();
        let names = current.document.models.iter().map(|model| model.name.as_str());
        IntentError::Unknown { meant: super::nearest(name, names).map(str::to_owned) }
    }
}
