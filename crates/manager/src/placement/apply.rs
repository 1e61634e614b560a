use std::collections::{BTreeMap, BTreeSet};

use spec::{Document, DoubleBooking, Engine, Fault, Faults, ItemId, Warning};

use super::judge::{Finding, Kind, judge};
use crate::Manager;
use crate::reconciler::desired;

// === impl Manager ===

impl Manager {
    /// Judges how a document uses the GPUs of this machine, compared with the one that applies: what a change brings is
    /// refused, what was there before is warned of. A command without a service knows no GPU and judges nothing.
    pub(crate) async fn judge_placement(&self, old: &Document, new: &Document) -> Result<Vec<Warning>, Faults> {
        let findings = self.findings(new).await;
        let touched = touched(old, new);
        let is_strict = new.defaults.placement.double_booking == DoubleBooking::Refuse;
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        for finding in findings {
            let is_new = finding.deployments.iter().any(|id| touched.contains(id));
            let refuses = match finding.kind {
                Kind::NoGpu => false,
                Kind::Unknown => is_new,
                Kind::Overbooked => is_new && is_strict,
            };
            let Finding { path, message, .. } = finding;
            if refuses {
                faults.push(Fault { path, message });
            } else {
                warnings.push(Warning { path, message });
            }
        }
        Faults::from_list(faults).map(|()| warnings)
    }

    /// Refuses an edit of an item that brings the name of a GPU which is not there. What is booked is judged when it is applied: another
    /// edit may make room.
    pub(crate) async fn check_gpus(&self, document: &Document, id: &ItemId) -> Result<(), Faults> {
        let touched = touched(&self.current().document, document);
        let is_new = |finding: &Finding| finding.deployments.iter().any(|id| touched.contains(id));
        let findings = self.findings(document).await.into_iter();
        let findings = findings.filter(|finding| finding.kind == Kind::Unknown && is_new(finding));
        let of_item = findings.filter_map(|finding| match document.locate(&finding.path) {
            Some((found, below)) if found == *id => Some(Fault { path: below.to_owned(), message: finding.message }),
            _ => None,
        });
        Faults::from_list(of_item.collect())
    }

    /// What would keep a model from being started: more of a GPU would be taken than there is.
    pub(crate) async fn overbooked_with(&self, model: &str) -> Option<String> {
        let current = self.current();
        if current.document.defaults.placement.double_booking == DoubleBooking::Warn {
            return None;
        }
        let inventory = self.gpus().await?;
        let wanted = self.wanted_in(&current.document, |name| name == model);
        let is_of = |finding: &Finding| {
            let mut of_model = wanted.iter().filter(|desired| &*desired.model == model);
            of_model.any(|desired| finding.deployments.contains(desired.deployment()))
        };
        let mut findings = judge(&current.document, &wanted, &inventory).into_iter();
        findings.find(|finding| finding.kind == Kind::Overbooked && is_of(finding)).map(|finding| finding.message)
    }

    /// What is wrong with a document. Looks at the machine again before it says so: a slice may be new.
    async fn findings(&self, document: &Document) -> Vec<Finding> {
        let asks = |engine: &Engine| !engine.gpus.is_empty();
        let mut engines = document.models.iter().flat_map(|model| &model.deployments).filter_map(|d| d.engine.as_ref());
        if !engines.any(asks) {
            return Vec::new();
        }
        let Some(inventory) = self.gpus().await else { return Vec::new() };
        let wanted = self.wanted_in(document, |_| false);
        let findings = judge(document, &wanted, &inventory);
        if findings.is_empty() {
            return findings;
        }
        match self.gpus_anew().await {
            Some(inventory) => judge(document, &wanted, &inventory),
            None => findings,
        }
    }

    /// The replicas of a document that are meant to run, and those of a model that is to be started besides.
    fn wanted_in(&self, document: &Document, starts: impl Fn(&str) -> bool) -> Vec<crate::reconciler::Desired> {
        let mut wanted = desired(document, &self.config().env);
        wanted.retain(|desired| starts(&desired.model) || !self.inner().stopped.holds(&desired.model));
        wanted
    }
}

/// Ids of the deployments that use GPUs in another way than before.
fn touched(old: &Document, new: &Document) -> BTreeSet<String> {
    let (old, new) = (uses(old), uses(new));
    new.into_iter().filter(|(id, use_)| old.get(id) != Some(use_)).map(|(id, _)| id).collect()
}

/// What of each engine says which GPUs it uses, and how much of them.
fn uses(document: &Document) -> BTreeMap<String, (Engine, bool)> {
    let deployments = document.models.iter().flat_map(|model| &model.deployments);
    let strict = document.defaults.placement.double_booking == DoubleBooking::Refuse;
    deployments.filter_map(|d| Some((d.id.clone()?, (d.engine.clone()?, strict)))).collect()
}
