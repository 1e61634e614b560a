#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use spec::{Provider, SecretText};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::apply::ApplyAnswer;
use super::extract::{Body, Named, Params};
use super::page::{Listed, Page};
use crate::credentials::{CredentialRow, Held, NewCredential, Resealed};
use crate::{Actor, Manager};

/// A credential; its secret is never shown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CredentialView {
    /// Its name, which endpoints refer to.
    name: String,
    /// Whose it is.
    #[schema(value_type = Option<String>, example = "openai")]
    provider: Option<Provider>,
    /// `os.environ/NAME`, or `***` for one that is kept sealed.
    secret: String,
    /// Id of the key that it is sealed with; none for a reference to the environment.
    key: Option<String>,
    /// Why it cannot be presented; none if it can.
    fault: Option<String>,
    /// Models whose endpoints refer to it.
    used_by: Vec<String>,
}

/// What a credential is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetCredential {
    /// Whose it is; stays as it was unless given.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "openai")]
    provider: Option<Provider>,
    /// The secret, which is sealed before it is kept; or `os.environ/NAME`; or `***` to leave it as it is.
    #[schema(value_type = String)]
    secret: SecretText,
}

/// How to seal anew.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResealBody {
    /// Forget the earlier keys: revisions to which one may go back cannot open their credentials any more.
    #[serde(default)]
    forget: bool,
}

/// What sealing anew did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResealAnswer {
    #[serde(flatten)]
    applied: ApplyAnswer,
    /// Credentials that have a new seal.
    resealed: usize,
    /// What cannot be opened, and so keeps its old seal: why, one by one.
    left: Vec<String>,
    /// Id of the key that seals now; none where nothing was ever sealed.
    key: Option<String>,
    /// Earlier keys that are forgotten.
    forgotten: usize,
}

/// Which credentials.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// How many at most: 1 to 1,000; 100 unless given.
    limit: Option<u32>,
    /// Where to go on, as the `link` of the page before says.
    cursor: Option<String>,
    /// Only those of this provider, as `openai`.
    #[param(value_type = Option<String>)]
    provider: Option<Provider>,
}

/// The credentials
///
/// By name: whose they are, and whether they can be presented. Their secrets are never shown.
#[utoipa::path(get, path = "/credentials", operation_id = "list_credentials", params(ListParams), responses(
    (status = 200, body = Vec<CredentialView>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(manager): State<Manager>,
    Params(params): Params<ListParams>,
) -> Result<Listed<CredentialView>, Problem> {
    let page = Page::<String>::read(params.limit, params.cursor.as_deref())?;
    let mut rows = manager.credentials();
    rows.retain(|row| params.provider.is_none() || row.provider == params.provider);
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(page.cut(rows.into_iter(), |row| row.name.clone()).map(CredentialView::from))
}

/// Set a credential
///
/// At once effective, as a revision of its own.
#[utoipa::path(put, path = "/credentials/{name}", operation_id = "set_credential", request_body = SetCredential,
    params(("name" = String, Path, description = "Its name")), responses(
    (status = 200, body = ApplyAnswer),
    (status = 422, description = "it has faults", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn set(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(name): Named,
    Body(SetCredential { provider, secret }): Body<SetCredential>,
) -> Result<Json<ApplyAnswer>, Problem> {
    let applied = manager.finish({
        let manager = manager.clone();
        async move { manager.set_credential(NewCredential { name, provider, secret }, &actor).await }
    });
    Ok(Json(applied.await?.into()))
}

/// Delete a credential
///
/// At once effective, as a revision of its own. Refused while a model refers to it.
#[utoipa::path(delete, path = "/credentials/{name}", operation_id = "delete_credential",
    params(("name" = String, Path, description = "Its name")), responses(
    (status = 200, body = ApplyAnswer),
    (status = 409, description = "models refer to it", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(name): Named,
) -> Result<Json<ApplyAnswer>, Problem> {
    let applied = manager.finish({
        let manager = manager.clone();
        async move { manager.delete_credential(&name, &actor).await }
    });
    Ok(Json(applied.await?.into()))
}

/// Seal all credentials anew
///
/// With a new key, as a revision of its own. Earlier keys are kept for revisions to which one may go back.
#[utoipa::path(post, path = "/credentials/reseal", operation_id = "reseal_credentials", request_body = ResealBody,
    responses(
    (status = 200, body = ResealAnswer),
    (status = 409, description = "some cannot be opened and would be lost", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn reseal(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(ResealBody { forget }): Body<ResealBody>,
) -> Result<Json<ResealAnswer>, Problem> {
    let resealed = manager.finish({
        let manager = manager.clone();
        async move { manager.reseal(forget, &actor).await }
    });
    Ok(Json(resealed.await?.into()))
}

// === impl CredentialView ===

impl From<CredentialRow> for CredentialView {
    fn from(row: CredentialRow) -> Self {
        let (secret, key) = match row.held {
            Held::Variable(name) => (format!("os.environ/{name}"), None),
            Held::Sealed(key) => (spec::MASK.to_owned(), Some(key)),
        };
        Self { name: row.name, provider: row.provider, secret, key, fault: row.fault, used_by: row.used_by }
    }
}

// === impl ResealAnswer ===

impl From<Resealed> for ResealAnswer {
    fn from(Resealed { applied, count, left, key, forgotten }: Resealed) -> Self {
        Self { applied: applied.into(), resealed: count, left, key, forgotten }
    }
}
