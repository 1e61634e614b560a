//! A plan that one unfit edit does not hide.

use super::{ApplyError, ApplyRequest, Proposal, Source};
use crate::Manager;
use crate::staged::{Selection, StagedItem};

/// A staged edit that could not be applied.
#[derive(Debug)]
pub(crate) struct Unfit {
    pub(crate) item: StagedItem,
    /// Why; never empty.
    pub(crate) faults: Vec<String>,
}

// === impl Manager ===

impl Manager {
    /// What applying the request would come to. Staged edits that could not be applied are left out of it and told apart;
    /// where none could be, it is refused as applying it would be.
    pub(crate) async fn outlook(&self, request: &ApplyRequest) -> Result<(Proposal, Vec<Unfit>), ApplyError> {
        let mut request = request.clone();
        let (mut left_out, mut first) = (Vec::new(), None);
        // Ends: each round leaves out one more at least.
        loop {
            let error = match self.propose(&request).await {
                Ok(proposal) => return Ok((proposal, left_out)),
                Err(error) => error,
            };
            let Source::Staged { selection, .. } = &mut request.source else { return Err(error) };
            let selected = selection.of(self.staged().await?)?;
            let (unfit, fit): (Vec<_>, Vec<_>) = selected
                .into_iter()
                .map(|item| Unfit { faults: faults_of(&error, &item), item })
                .partition(Unfit::is_so);
            if unfit.is_empty() || fit.is_empty() {
                return Err(first.unwrap_or(error));
            }
            *selection = Selection::these(fit.iter().map(|one| &one.item));
            left_out.extend(unfit);
            first.get_or_insert(error);
        }
    }
}

// === impl Unfit ===

impl Unfit {
    fn is_so(&self) -> bool {
        !self.faults.is_empty()
    }
}

/// What an error says of one item.
fn faults_of(error: &ApplyError, item: &StagedItem) -> Vec<String> {
    match error {
        ApplyError::Faults(faults) => {
            let id = item.id.to_string();
            let of_item = faults.as_slice().iter().filter_map(|fault| {
                let below = fault.path.strip_prefix(&id)?;
                match below.strip_prefix(' ') {
                    Some(path) => Some(format!("{path}: {}", fault.message)),
                    None => below.is_empty().then(|| fault.message.clone()),
                }
            });
            of_item.collect()
        }
        ApplyError::Referred(all) => all.iter().filter(|one| one.id == item.id).map(ToString::to_string).collect(),
        ApplyError::Stale(all) => all.iter().filter(|one| one.id == item.id).map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}
