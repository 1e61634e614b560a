use axum::body::Bytes;
use serde_json::Value;

use crate::keys::Edit;
use crate::litellm::LiteError;
use crate::litellm::fields::{flag, is_empty, metadata, models, object, text};
use crate::litellm::limits;
use crate::teams::TeamEdit;

/// The fields of a request that have an effect here.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TeamBody {
    /// Which team; a new one's id.
    pub(super) id: Option<String>,
    /// What becomes of it.
    pub(super) edit: TeamEdit,
}

// === impl TeamBody ===

impl TeamBody {
    /// Reads a body.
    pub(super) fn read(body: &Bytes) -> Result<Self, LiteError> {
        let mut fields = Self::default();
        for (name, value) in object(body)? {
            fields.take(&name, value)?;
        }
        Ok(fields)
    }

    /// The team that is meant.
    pub(super) fn name(&self) -> Result<String, LiteError> {
        self.id.clone().ok_or_else(|| LiteError::wrong_type("team_id", "missing", "Field required"))
    }

    fn take(&mut self, name: &str, value: Value) -> Result<(), LiteError> {
        let edit = &mut self.edit;
        match name {
            "team_id" => self.id = text(name, value)?.filter(|id| !id.is_empty()),
            "team_alias" => edit.alias = Edit::Set(text(name, value)?),
            "models" => edit.models = Edit::Set(models(name, value)?),
            "blocked" => edit.blocked = flag(name, &value)?,
            "metadata" => edit.metadata = Edit::Set(metadata(name, value)?),
            _ if limits::take(&mut edit.limits, name, &value)? => {}
            _ if is_empty(name, &value) => {}
            _ => {
                let message = format!("{name} has no effect in this version of Enginehouse; leave it out");
                return Err(LiteError::bad_request(Some(name), message));
            }
        }
        Ok(())
    }
}
