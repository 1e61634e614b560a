use std::path::PathBuf;

use serde_json::{Map, Value, json};
use spec::{Document, Model, ModelType, environment_variable};

use crate::apply::{Applied, ApplyError, EditHow};
use crate::{Actor, Manager};

/// A model that is to be there.
#[derive(Clone, Debug)]
pub(crate) struct NewModel {
    /// Hugging Face id, or a folder.
    pub(crate) source: String,
    /// Public name; made of the source unless given.
    pub(crate) name: Option<String>,
    /// What it does; found out unless given.
    pub(crate) model_type: Option<ModelType>,
    /// Whether it can be used without a key.
    pub(crate) open_access: bool,
    /// The other fields of its engine.
    pub(crate) engine: Map<String, Value>,
    /// Where relative paths start from; the home unless given.
    pub(crate) base_dir: Option<PathBuf>,
    pub(crate) message: String,
    pub(crate) how: EditHow,
}

/// A model that was added, or would be.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(crate) model: Model,
    /// By what its type is known, where nobody said it.
    pub(crate) known_by: Option<String>,
    pub(crate) applied: Applied,
}

/// A model cannot be added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddError {
    #[error(
        "there is a model {0} already: choose another name, change it (`enginehouse config stage model/{0}`) or remove it \
         (`enginehouse model rm {0}`)"
    )]
    Exists(String),
    #[error("{1}")]
    Field(&'static str, String),
    #[error("what {0} does cannot be told ({1}): say it with --type")]
    TypeUnknown(String, String),
    #[error("what it does cannot be looked up: {0}. Or say it with --type")]
    Unread(String),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

// === impl Manager ===

impl Manager {
    /// Adds a model with one engine, as a change set of its own.
    pub(crate) async fn add_model(&self, new: NewModel, actor: &Actor) -> Result<Added, AddError> {
        let name = match &new.name {
            Some(name) => name.clone(),
            None => {
                name_of(&new.source).ok_or_else(|| AddError::Field("name", "cannot be made of the source".into()))?
            }
        };
        // Before anything is asked of the Hub.
        check_free(&self.current().document, &name)?;
        let (mut model, known_by) = self.model_of(&new, &name).await?;
        let mut applied = self
            .apply_edit(&new.message, actor, new.how, |document| {
                check_free(document, &name)?;
                document.models.push(model.clone());
                Ok::<_, AddError>(())
            })
            .await?;
        applied.changes.retain(|change| change.name == name);
        if let Some(stands) = self.current().document.models.iter().find(|known| known.name == name) {
            model = stands.clone();
        }
        Ok(Added { model, known_by, applied })
    }

    async fn model_of(&self, new: &NewModel, name: &str) -> Result<(Model, Option<String>), AddError> {
        let mut engine = new.engine.clone();
        if engine.insert("source".to_owned(), new.source.as_str().into()).is_some() {
            return Err(AddError::Field("engine.source", "is given twice".to_owned()));
        }
        // Any type will do to make its paths absolute.
        let (type_word, open) = (new.model_type.unwrap_or(ModelType::Chat), new.open_access);
        let item =
            json!({ "name": name, "type": type_word, "open_access": open, "deployments": [{ "engine": engine }] });
        let model: Model =
            serde_json::from_value(item).map_err(|error| AddError::Field("engine", error.to_string()))?;
        let mut document = Document { models: vec![model], ..Document::default() };
        document.absolutize(new.base_dir.as_deref().unwrap_or(self.config().home.path()));
        // There is exactly one.
        let Some(mut model) = document.models.pop() else { return Err(AddError::Field("name", String::new())) };
        let Some(engine) = model.deployments.first().and_then(|deployment| deployment.engine.as_ref()) else {
            return Err(AddError::Field("engine", "is missing".to_owned()));
        };
        let is_elsewhere = engine.source.starts_with('/') || environment_variable(&engine.source).is_some();
        if let (false, Err(unfit)) = (is_elsewhere, engine.source.parse::<hub::Repository>()) {
            return Err(AddError::Field("source", unfit.to_string()));
        }
        if new.model_type.is_some() {
            return Ok((model, None));
        }
        let (model_type, by) = self.kind_of(&engine.source, engine.revision.as_deref()).await?;
        model.model_type = model_type;
        Ok((model, Some(by)))
    }
}

fn check_free(document: &Document, name: &str) -> Result<(), AddError> {
    let is_taken = document.models.iter().any(|model| model.name == name);
    if is_taken { Err(AddError::Exists(name.to_owned())) } else { Ok(()) }
}

/// The last part of the source, in lower case.
fn name_of(source: &str) -> Option<String> {
    let last = source.trim_end_matches('/').rsplit('/').next()?;
    let is_name = !last.is_empty() && !last.starts_with('.');
    is_name.then(|| last.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_the_source() {
        let named = |source: &str| name_of(source);
        assert_eq!(named("Qwen/Qwen3-8B").as_deref(), Some("qwen3-8b"));
        assert_eq!(named("./models/Tiny/").as_deref(), Some("tiny"));
        assert_eq!(named("gpt2").as_deref(), Some("gpt2"));
        assert_eq!([named(""), named(".."), named("/")], [None, None, None]);
    }
}
