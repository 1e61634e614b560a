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
    /// The response that it asks for, where that is known.
    pub(crate) asked_for: Option<Arc<Made>>,
}

/// Remembers the response of a stream once its id is there.
#[derive(Debug)]
pub(crate) struct Keeper {
    responses: Arc<Responses>,
    made: Option<Made>,
}

// === impl Thread ===

impl Thread {
    /// A whole answer came from `pick`; whether it is to be billed now.
    pub(crate) fn bills(&self, answer: &Answer, body: &Bytes, model: &ModelState, pick: &Pick) -> bool {
        if let Some(made) = &self.asked_for {
            return !answer.is_pending && answer.usage.is_some() && made.bill();
        }
        let keeper = self.keeper(model, pick, !answer.is_pending);
        let id = answer.id.clone().and_then(|span| serde_json::from_slice::<String>(&body[span]).ok());
        if let (Some(mut keeper), Some(id)) = (keeper, id) {
            keeper.keep(&id);
        }
        // What is made in the background has not used anything yet.
        !answer.is_pending
    }

    /// A stream came from `pick`: remembers the response in it.
    pub(crate) fn streams(&self, model: &ModelState, pick: &Pick) -> Option<Keeper> {
        if let Some(made) = &self.asked_for {
            made.bill();
        }
        self.keeper(model, pick, true)
    }

    /// Whether nothing of what is asked for is left to be billed.
    pub(crate) fn is_billed(&self) -> bool {
        self.asked_for.as_ref().is_none_or(|made| made.is_billed())
    }

    fn keeper(&self, model: &ModelState, pick: &Pick, is_billed: bool) -> Option<Keeper> {
        let (responses, maker) = self.maker.clone()?;
        let made = Made::new(maker, model.model.name.clone(), pick.replica.replica.id.clone(), is_billed);
        Some(Keeper { responses, made: Some(made) })
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
