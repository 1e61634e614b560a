#![expect(unused_qualifications, reason = "written by the macro that describes the route")]
//! Accounts: who may log in.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use snapshot::Secret;
use store::AccountRow;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::extract::{Body, Named, Params};
use super::page::{Listed, Page};
use crate::access::Role;
use crate::accounts::Provided;
use crate::{Actor, Manager};

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountView {
    /// What people log in with.
    name: String,
    /// What it may do.
    role: Role,
    /// When it was made.
    created_at: String,
    /// When its role or its password was last changed.
    updated_at: String,
}

/// An account that was made, or got another password.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProvidedAccount {
    #[serde(flatten)]
    account: AccountView,
    /// The password, if it was made; shown this once.
    password: Option<String>,
}

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// What people log in with: letters, digits and `.-_@+`.
    name: String,
    /// What it may do.
    role: Role,
    /// 8 to 256 characters; made unless given.
    #[schema(format = Password)]
    password: Option<String>,
}

/// What is to be changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountPatch {
    /// What it may do.
    role: Role,
}

/// A password for somebody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetPassword {
    /// 8 to 256 characters; made unless given.
    #[schema(format = Password)]
    password: Option<String>,
}

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// How many at most: 1 to 1,000; 100 unless given.
    limit: Option<u32>,
    /// Where to go on, as the `link` of the page before says.
    cursor: Option<String>,
    /// Only those with this role.
    role: Option<Role>,
}

/// The accounts, by name
#[utoipa::path(get, path = "/accounts", operation_id = "list_accounts", params(ListParams), responses(
    (status = 200, body = Vec<AccountView>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(manager): State<Manager>,
    Params(params): Params<ListParams>,
) -> Result<Listed<AccountView>, Problem> {
    let page = Page::<String>::read(params.limit, params.cursor.as_deref())?;
    let is_asked = |row: &AccountRow| params.role.is_none_or(|role| Role::stored(&row.role) == role);
    let rows = manager.inner().accounts.rows().into_iter().filter(is_asked);
    Ok(page.cut(rows, |row| row.name.clone()).map(AccountView::from))
}

/// Make an account
///
/// A password that is made is shown in this answer and never again.
#[utoipa::path(post, path = "/accounts", operation_id = "create_account", request_body = NewAccount, responses(
    (status = 201, body = ProvidedAccount),
    (status = 409, description = "the name is taken", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn create(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(new): Body<NewAccount>,
) -> Result<(StatusCode, Json<ProvidedAccount>), Problem> {
    let password = new.password.map(Secret::new);
    let done = manager.finish({
        let manager = manager.clone();
        async move { manager.create_account(new.name, new.role, password, &actor).await }
    });
    Ok((StatusCode::CREATED, Json(done.await?.into())))
}

/// An account
#[utoipa::path(get, path = "/accounts/{account}", operation_id = "get_account",
    params(("account" = String, Path, description = "Its name")), responses(
    (status = 200, body = AccountView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(State(manager): State<Manager>, Named(account): Named) -> Result<Json<AccountView>, Problem> {
    Ok(Json(manager.inner().accounts.find(&account)?.into()))
}

/// Give an account another role
///
/// All its sessions end.
#[utoipa::path(patch, path = "/accounts/{account}", operation_id = "update_account", request_body = AccountPatch,
    params(("account" = String, Path, description = "Its name")), responses(
    (status = 200, body = AccountView),
    (status = 409, description = "it is the last one with the role admin", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn update(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(account): Named,
    Body(patch): Body<AccountPatch>,
) -> Result<Json<AccountView>, Problem> {
    let done = manager.finish({
        let manager = manager.clone();
        async move { manager.set_role(&account, patch.role, &actor).await }
    });
    Ok(Json(done.await?.into()))
}

/// Delete an account
///
/// All its sessions end. The answer shows it as it was.
#[utoipa::path(delete, path = "/accounts/{account}", operation_id = "delete_account",
    params(("account" = String, Path, description = "Its name")), responses(
    (status = 200, body = AccountView),
    (status = 409, description = "it is the last one with the role admin", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(account): Named,
) -> Result<Json<AccountView>, Problem> {
    let done = manager.finish({
        let manager = manager.clone();
        async move { manager.delete_account(&account, &actor).await }
    });
    Ok(Json(done.await?.into()))
}

/// Give an account another password
///
/// All its sessions end. A password that is made is shown in this answer and never again. Where there is no account at
/// all, `admin` is made.
#[utoipa::path(post, path = "/accounts/{account}/password", operation_id = "reset_password",
    request_body = ResetPassword, params(("account" = String, Path, description = "Its name")), responses(
    (status = 200, body = ProvidedAccount),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn reset_password(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(account): Named,
    Body(wanted): Body<ResetPassword>,
) -> Result<Json<ProvidedAccount>, Problem> {
    let password = wanted.password.map(Secret::new);
    let done = manager.finish({
        let manager = manager.clone();
        async move { manager.set_password(&account, password, &actor).await }
    });
    Ok(Json(done.await?.into()))
}

// === impl AccountView ===

impl From<AccountRow> for AccountView {
    fn from(row: AccountRow) -> Self {
        Self {
            role: Role::stored(&row.role),
            name: row.name,
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
        }
    }
}

// === impl ProvidedAccount ===

impl From<Provided> for ProvidedAccount {
    fn from(Provided { row, made }: Provided) -> Self {
        Self { account: row.into(), password: made.map(|password| password.expose().to_owned()) }
    }
}
