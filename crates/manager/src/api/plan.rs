use std::path::PathBuf;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use spec::{Format, ItemKind};
use utoipa::ToSchema;

use super::Problem;
use super::apply::WarningView;
use super::change::ChangeDetail;
use super::extract::Body;
use super::items::StagedView;
use crate::apply::{ApplyRequest, PlannedItem, Source, Step, Unfit};
use crate::staged::Selection;
use crate::{Actor, Manager};

/// What is to be planned: exactly one of `staged`, `document` and `revision`; all that is staged unless given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PlanBody {
    /// Staged changes.
    staged: Option<Selection>,
    /// Also staged changes of items that changed since they were edited.
    overwrite: bool,
    /// A whole desired state as text.
    document: Option<String>,
    /// How the document is written.
    #[schema(value_type = String, example = "yaml")]
    format: Format,
    /// Absolute path that relative paths in the document start from; the home unless given.
    #[schema(value_type = Option<String>)]
    base_dir: Option<PathBuf>,
    /// What applied as this revision; 0 is the empty state before the first.
    revision: Option<u64>,
}

/// What applying would do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Plan {
    /// Number of the revision that applies now: what the plan starts from.
    revision: u64,
    /// Item by item.
    items: Vec<PlanItem>,
    /// Staged changes that are left out of the plan: as they are, they could not be applied.
    unfit: Vec<UnfitItem>,
    /// Whether running requests are cut off anywhere.
    interrupts: bool,
    /// What is allowed and yet has not the effect that one may expect, where it belongs to none of the items.
    warnings: Vec<WarningView>,
}

/// What applying would do to one item.
#[derive(Debug, Serialize, ToSchema)]
struct PlanItem {
    #[serde(flatten)]
    change: ChangeDetail,
    /// What that does.
    effect: Step,
    /// What is allowed and yet has not the effect that one may expect.
    warnings: Vec<String>,
    /// The edit that it comes from; null if it was not staged.
    staged: Option<StagedView>,
}

/// A staged change that could not be applied.
#[derive(Debug, Serialize, ToSchema)]
struct UnfitItem {
    /// What the item is.
    #[schema(value_type = String, example = "model")]
    kind: ItemKind,
    /// Its name among those of its kind.
    name: String,
    /// Why it could not be applied.
    errors: Vec<String>,
    /// The edit.
    staged: StagedView,
}

/// What applying would do
///
/// Nothing is written. What could not be applied is refused as applying it would be; but of several staged changes those that
/// could be are planned, and the others named.
#[utoipa::path(post, path = "/plan", request_body = PlanBody, extensions(("x-reads-only" = json!(true))), responses(
    (status = 200, body = Plan),
    (status = 412, description = "somebody changed meanwhile what it would replace", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "what would apply has faults", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn plan(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(body): Body<PlanBody>,
) -> Result<Json<Plan>, Problem> {
    let request = ApplyRequest::dry(body.into_source()?, actor);
    let before = manager.current();
    let (proposal, unfit) = manager.outlook(&request).await?;
    let (items, warnings) = proposal.into_items(&before.document);
    Ok(Json(Plan {
        revision: before.revision,
        interrupts: items.iter().any(|item| item.effect.interrupts),
        items: items.into_iter().map(PlanItem::from).collect(),
        unfit: unfit.into_iter().map(UnfitItem::from).collect(),
        warnings: warnings.into_iter().map(WarningView::from).collect(),
    }))
}

// === impl PlanBody ===

impl PlanBody {
    fn into_source(self) -> Result<Source, Problem> {
        let Self { staged, overwrite, document, format, base_dir, revision } = self;
        match (staged, document, revision) {
            (None, None, None) => Ok(Source::Staged { selection: Selection::everything(), overwrite }),
            (Some(selection), None, None) => Ok(Source::Staged { selection, overwrite }),
            (None, Some(text), None) => Ok(Source::Document { text, format, base_dir }),
            (None, None, Some(number)) => Ok(Source::Revision(number)),
            _ => Err(Problem::bad_request("give one of `staged`, `document` and `revision`")),
        }
    }
}

// === impl UnfitItem ===

impl From<Unfit> for UnfitItem {
    fn from(Unfit { item, faults }: Unfit) -> Self {
        let (kind, name) = (item.id.kind, item.id.name.clone());
        Self { kind, name, errors: faults, staged: StagedView::from(item) }
    }
}

// === impl PlanItem ===

impl From<PlannedItem> for PlanItem {
    fn from(PlannedItem { change, old, new, effect, warnings, staged }: PlannedItem) -> Self {
        Self { change: ChangeDetail::new(change, old, new), effect, warnings, staged: staged.map(StagedView::from) }
    }
}
