#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::Params;
use crate::drift::Difference;
use crate::{Actor, Manager};

/// What is not as it should be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Drift {
    /// Number of the revision that says how it should be.
    revision: u64,
    /// Each difference; empty where all is as it should be.
    differences: Vec<Difference>,
}

/// How to resync.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ResyncParams {
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// Where what is there differs from what applies
///
/// Generated files by content, gateways by what they serve, engines by what they were started from.
#[utoipa::path(get, path = "/drift", responses(
    (status = 200, body = Drift),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn drift(State(manager): State<Manager>) -> Json<Drift> {
    Json(Drift { revision: manager.current().revision, differences: manager.drift() })
}

/// Bring what is there in line with what applies
///
/// The answer shows what differed before.
#[utoipa::path(post, path = "/resync", params(ResyncParams), responses(
    (status = 200, body = Drift),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn resync(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Params(params): Params<ResyncParams>,
) -> Result<Json<Drift>, Problem> {
    if params.dry_run {
        return Ok(drift(State(manager)).await);
    }
    let resynced = manager.finish({
        let manager = manager.clone();
        async move { manager.resync(&actor).await }
    });
    let differences = resynced.await?;
    Ok(Json(Drift { revision: manager.current().revision, differences }))
}
