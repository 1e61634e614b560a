use std::sync::Arc;
use std::time::Duration;

use hub::{Choice, Presence, Progress, Repository, Revision, Wish};
use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{HubFault, Pull, PullState};
use crate::{Actor, Manager};

/// Between two looks at a pull, and before one that has no place yet is tried again.
const LOOK: Duration = Duration::from_millis(250);

/// What an engine needs of the Hub.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    /// The model.
    pub(crate) repository: Repository,
    /// Which state of it.
    pub(crate) revision: Revision,
    /// From where, as whom, and into which cache.
    pub(crate) settings: hub::Settings,
}

/// How far a model is that engines wait for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Coming {
    /// Other pulls go first.
    Queued(String),
    /// It comes.
    Running(Progress),
}

/// A pull that is waited for.
struct Joined {
    id: String,
    /// Ends the pull with the last of those who wait; none where a person began it.
    held: Option<Arc<DropGuard>>,
}

// === impl Need ===

impl Need {
    /// What of it lies there.
    pub(crate) async fn presence(&self) -> Presence {
        let (cache, need) = (hub::Cache::new(&self.settings.cache), self.clone());
        let look = tokio::task::spawn_blocking(move || cache.presence(&need.repository, &need.revision));
        look.await.unwrap_or(Presence::Absent)
    }

    fn wish(&self) -> Wish {
        Wish { repository: self.repository.clone(), revision: self.revision.clone(), choice: Choice::ForEngine }
    }
}

// === impl Manager ===

impl Manager {
    /// Fetches what an engine needs, or waits for who does; `told` hears how far it is. Ends with the reason where it
    /// cannot be had.
    pub(crate) async fn fetch_for_engine(&self, need: &Need, told: impl Fn(Coming)) -> Result<(), String> {
        loop {
            let joined = match self.join_or_begin(need).await {
                Ok(Some(joined)) => joined,
                Ok(None) => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                Err(error @ HubFault::TooMany(_)) => {
                    told(Coming::Queued(error.to_string()));
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                Err(error) => return Err(error.to_string()),
            };
            self.until_ended(&joined.id, &told).await?;
            // What a person asked for may be less than an engine needs.
            if joined.held.is_some() || matches!(need.presence().await, Presence::Whole { .. }) {
                return Ok(());
            }
        }
    }

    /// None where the same pull just ends because nobody waits for it any more.
    async fn join_or_begin(&self, need: &Need) -> Result<Option<Joined>, HubFault> {
        let cancel = CancellationToken::new();
        let guard = Arc::new(cancel.clone().drop_guard());
        let detail = json!({ "revision": need.revision.as_str(), "for": "an engine" });
        let (by, held) = (Actor::reconciler(), Some(Arc::downgrade(&guard)));
        match self.launch_pull(need.wish(), need.settings.clone(), &by, detail, (cancel, held)).await {
            Ok(Pull { id, .. }) => Ok(Some(Joined { id, held: Some(guard) })),
            Err(HubFault::Runs { id, .. }) => {
                let Some(pull) = self.inner().pulls.get(&id) else { return Ok(None) };
                let Some(others) = pull.held else { return Ok(Some(Joined { id, held: None })) };
                Ok(others.upgrade().map(|held| Joined { id, held: Some(held) }))
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until a pull has ended; with the reason if it brought not all.
    async fn until_ended(&self, id: &str, told: impl Fn(Coming)) -> Result<(), String> {
        loop {
            let Some(pull) = self.inner().pulls.get(id) else { return Ok(()) };
            match pull.state {
                PullState::Running => told(Coming::Running(pull.progress.borrow().clone())),
                PullState::Succeeded => return Ok(()),
                PullState::Failed => return Err(pull.message.unwrap_or_else(|| "it could not be fetched".to_owned())),
                PullState::Cancelled => return Err(cancelled(&pull)),
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn cancelled(pull: &Pull) -> String {
    format!("the download of {} was ended by hand ({}); what came is kept", pull.model, pull.id)
}
