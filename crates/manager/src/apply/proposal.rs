use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use spec::{Change, Document, Fault, Faults, Format, ItemId, Warning};

use super::{Applied, ApplyError, ApplyRequest, OutdatedItem, Source, Step, StepAction, plan, references};
use crate::current::Current;
use crate::fault_points::FaultPoint;
use crate::fit::Estimates;
use crate::staged::{Selection, StagedItem};
use crate::{Manager, compiler};

/// A document that can be applied, compared with the one that applies.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) document: Document,
    pub(crate) changes: Vec<Change>,
    /// What that does, model by model.
    pub(crate) plan: Vec<Step>,
    pub(crate) warnings: Vec<Warning>,
    /// Staged edits that go into it, and are no longer staged then.
    pub(crate) consumed: Vec<StagedItem>,
}

/// One changed item and all that is to be known before it is applied.
#[derive(Debug)]
pub(crate) struct PlannedItem {
    pub(crate) change: Change,
    /// As it is; none if it is new.
    pub(crate) old: Option<Value>,
    /// As it will be; none if it is deleted.
    pub(crate) new: Option<Value>,
    pub(crate) effect: Step,
    pub(crate) warnings: Vec<String>,
    /// The edit it comes from, if it was staged.
    pub(crate) staged: Option<StagedItem>,
}

// === impl Manager ===

impl Manager {
    /// What applying the request would come to; refuses what could not be applied.
    pub(crate) async fn propose(&self, request: &ApplyRequest) -> Result<Proposal, ApplyError> {
        let current = self.current();
        if let Some(seen) = request.expected
            && seen != current.revision
        {
            let latest = self.store().revisions().get(current.revision).await?;
            let author = latest.map_or_else(|| "somebody".to_owned(), |revision| revision.summary.author);
            return Err(ApplyError::Moved { seen, now: current.revision, author, at: current.applied_at });
        }
        match &request.source {
            Source::Document { text, format, base_dir } => {
                let mut document = self.read_document(text, *format, base_dir.as_deref())?;
                self.take_in(&mut document, &current.document, request.dry_run)?;
                self.config().fault_points.reach(FaultPoint::ApplyValidated);
                self.compare(&current, document, Vec::new(), Estimates::Bind).await
            }
            Source::Staged { selection, overwrite } => {
                let (document, consumed) = self.with_staged(&current, selection, *overwrite).await?;
                self.config().fault_points.reach(FaultPoint::ApplyValidated);
                self.compare(&current, document, consumed, Estimates::Bind).await
            }
            Source::Revision(number) => {
                let document = self.document_of(*number).await?;
                spec::validate(&document)?;
                // It applied once: no estimate keeps anybody from going back to it.
                self.compare(&current, document, Vec::new(), Estimates::Warn).await
            }
        }
    }

    fn read_document(&self, text: &str, format: Format, base_dir: Option<&Path>) -> Result<Document, ApplyError> {
        let mut document = spec::parse(text, format)?;
        let base = base_dir.unwrap_or(self.config().home.path());
        if !base.is_absolute() {
            return Err(ApplyError::BaseDir(base.display().to_string()));
        }
        document.absolutize(base);
        spec::validate(&document)?;
        Ok(document)
    }

    /// What applies, with the staged edits that are selected.
    async fn with_staged(
        &self,
        current: &Current,
        selection: &Selection,
        overwrite: bool,
    ) -> Result<(Document, Vec<StagedItem>), ApplyError> {
        let selected = selection.of(self.staged().await?)?;
        if !overwrite {
            let stale = self.outdated(current, &selected).await?;
            if !stale.is_empty() {
                return Err(ApplyError::Stale(stale));
            }
        }
        let mut document = current.document.clone();
        let mut faults = Vec::new();
        for item in &selected {
            let located = |fault: Fault| Fault { path: format!("{} {}", item.id, fault.path), message: fault.message };
            faults.extend(item.put_into(&mut document).err().map(located));
        }
        Faults::from_list(faults)?;
        references::check_deleted(&current.document, &document)?;
        spec::validate(&document).map_err(|faults| faults.map_paths(by_item(&document)))?;
        Ok((document, selected))
    }

    async fn outdated(&self, current: &Current, items: &[StagedItem]) -> store::Result<Vec<OutdatedItem>> {
        let mut outdated = Vec::new();
        for item in items.iter().filter(|item| item.is_stale(current.document.item(&item.id).as_ref())) {
            let changed = self.last_change(&item.id, item.base_revision).await?;
            let changed = changed.map(|revision| (revision.number, revision.author, revision.applied_at));
            outdated.push(OutdatedItem { id: item.id.clone(), author: item.author.clone(), changed });
        }
        Ok(outdated)
    }

    async fn compare(
        &self,
        current: &Current,
        mut document: Document,
        consumed: Vec<StagedItem>,
        estimates: Estimates,
    ) -> Result<Proposal, ApplyError> {
        let env = &self.config().env;
        document.assign_ids(Some(&current.document), &mut || hex::encode(self.config().rng.bytes::<6>()));
        let changes = spec::diff(&current.document, &document);
        let shown = |faults: Faults| if consumed.is_empty() { faults } else { faults.map_paths(by_item(&document)) };
        let placement = self.judge_placement(&current.document, &document).await.map_err(shown)?;
        let fit = self.judge_fit(&document, &changes, estimates).await.map_err(shown)?;
        let (keys, teams) = (self.inner().keys.rows(), self.inner().teams.rows());
        references::check(&changes, &keys)?;
        let mut warnings = spec::warnings(&document);
        warnings.extend(placement);
        warnings.extend(fit);
        warnings.extend(compiler::warnings(&document, env));
        warnings.extend(references::warnings(&document, &keys, &teams));
        let inventory = self.gpus().await;
        let gpus = plan::Gpus { inventory: inventory.as_deref(), held: self.inner().fleet.gpus() };
        let plan = plan::plan((&current.document, &document), &changes, env, &gpus);
        Ok(Proposal { document, changes, plan, warnings, consumed })
    }
}

// === impl Proposal ===

impl Proposal {
    pub(super) fn into_applied(self, revision: u64, job: Option<String>) -> Applied {
        let Self { changes, plan, warnings, document: _, consumed: _ } = self;
        Applied { revision, changed: !changes.is_empty(), changes, plan, warnings, job }
    }

    /// From what applies to `document`, which applied before: nothing is checked or planned anew.
    pub(super) fn back_to(current: &Current, document: Document) -> Self {
        let changes = spec::diff(&current.document, &document);
        Self { document, changes, plan: Vec::new(), warnings: Vec::new(), consumed: Vec::new() }
    }

    /// Item by item what would happen, and the warnings that belong to none of these items.
    pub(crate) fn into_items(self, old: &Document) -> (Vec<PlannedItem>, Vec<Warning>) {
        let Self { document, changes, plan, warnings, consumed } = self;
        let mut of_items: HashMap<ItemId, Vec<String>> =
            changes.iter().map(|change| (change.id(), Vec::new())).collect();
        let mut rest = Vec::new();
        for warning in warnings {
            let located = document.locate(&warning.path).and_then(|(id, _)| of_items.get_mut(&id));
            match located {
                Some(messages) => messages.push(warning.message),
                None => rest.push(warning),
            }
        }
        let mut steps: HashMap<String, Step> = plan.into_iter().map(|step| (step.model.clone(), step)).collect();
        let mut staged: HashMap<ItemId, StagedItem> =
            consumed.into_iter().map(|item| (item.id.clone(), item)).collect();
        let items = changes.into_iter().map(|change| {
            let id = change.id();
            let step = if id.kind == spec::ItemKind::MODEL { steps.remove(&id.name) } else { None };
            PlannedItem {
                old: old.item(&id),
                new: document.item(&id),
                effect: step.unwrap_or_else(|| hot(&change)),
                warnings: of_items.remove(&id).unwrap_or_default(),
                staged: staged.remove(&id),
                change,
            }
        });
        (items.collect(), rest)
    }
}

/// Whoever staged an item knows its name, and not where it stands among all.
fn by_item(document: &Document) -> impl Fn(&str) -> String {
    |path| document.locate(path).map_or_else(|| path.to_owned(), |(id, below)| format!("{id} {below}"))
}

/// What no engine notices: the gateway takes it over between two requests.
fn hot(change: &Change) -> Step {
    let reason = "the gateway takes it over".to_owned();
    Step { model: change.name.clone(), action: StepAction::Hot, interrupts: false, reason }
}
