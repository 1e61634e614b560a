use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use wire::Answer;

use super::{Made, Maker, Responses};
use crate::route::Pick;
use crate::serving::ModelState;

/// What a request has to do with responses that engines keep.
#[derive(Debug, Default)]
pub(crate) struct Thread {
    /// The only replica that can answer.
    pub(crate) replica: Option<Arc<str>>,
    /// Where the response that it makes is remembered, and for whom.
    pub(crate) maker: Option<(Arc<Responses>, Maker)>,
}

/// Remembers the response of a stream once its id is there.
#[derive(Debug)]
pub(crate) struct Keeper {
    responses: Arc<Responses>,
    made: Option<Made>,
}

// === impl Thread ===

impl Thread {
    /// A whole answer came from `pick`: remembers the response in it. Gives the id of one that is made in the background
    /// and has not ended.
    pub(crate) fn answered(&self, answer: &Answer, body: &Bytes, model: &ModelState, pick: &Pick) -> Option<String> {
        let mut keeper = self.streams(model, pick)?;
        let id = answer.id.clone().and_then(|span| serde_json::from_slice::<String>(&body[span]).ok())?;
        keeper.keep(&id);
        answer.is_pending.then_some(id)
    }

    /// A stream came from `pick`: remembers the response in it.
    pub(crate) fn streams(&self, model: &ModelState, pick: &Pick) -> Option<Keeper> {
        let (responses, maker) = self.maker.clone()?;
        let (model, replica) = (model.model.name.clone(), pick.replica.replica.id.clone());
        Some(Keeper { responses, made: Some(Made { maker, model, replica }) })
    }
}

// === impl Keeper ===

impl Keeper {
    /// The response is called `id`.
    pub(crate) fn keep(&mut self, id: &str) {
        if let Some(made) = self.made.take() {
            self.responses.insert(id, made, Instant::now());
        }
    }
}
