#![expect(unused_qualifications, reason = "written by the macro that describes the route")]
//! API tokens: what programs present at the admin port.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::TokenRow;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Body, Named, Params};
use super::keys::Expiry;
use super::page::{Listed, Page};
use super::{Problem, resources};
use crate::access::{Role, Scope};
use crate::tokens::NewToken;
use crate::{Actor, Manager};

/// Scopes that a token may have.
const SCOPES: usize = 64;

/// A token. The token itself is never shown again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    /// Name given by people.
    name: String,
    /// `ent-...` and the last four characters.
    shown: String,
    /// What it may do.
    role: Role,
    /// Resources that it is confined to; empty allows all.
    scopes: Vec<String>,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: String,
    /// When it stops working.
    expires_at: Option<String>,
    /// Whether it has.
    expired: bool,
    /// When it was last used, some minutes late at most.
    last_used_at: Option<String>,
}

/// A token that was made just now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IssuedTokenView {
    /// The token itself; shown this once.
    token: String,
    #[serde(flatten)]
    view: TokenView,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateToken {
    /// Name, unique among tokens.
    name: String,
    /// What it may do.
    role: Role,
    /// Resources that it is confined to: the first part of a path, as `keys`, or `keys:read` to look only. Empty allows
    /// all that the role does.
    #[serde(default)]
    scopes: Vec<String>,
    /// When it stops working, as `2026-12-31T23:59:59Z`.
    expires_at: Option<String>,
    /// When it stops working, from now: `30d`, `12h`, `1mo`.
    duration: Option<String>,
}

/// Which tokens.
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

/// The API tokens, by name
#[utoipa::path(get, path = "/tokens", operation_id = "list_tokens", params(ListParams), responses(
    (status = 200, body = Vec<TokenView>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(manager): State<Manager>,
    Params(params): Params<ListParams>,
) -> Result<Listed<TokenView>, Problem> {
    let page = Page::<String>::read(params.limit, params.cursor.as_deref())?;
    let is_asked = |row: &TokenRow| params.role.is_none_or(|role| Role::stored(&row.role) == role);
    let rows = manager.inner().tokens.rows().into_iter().filter(is_asked);
    Ok(page.cut(rows, |row| row.name.clone()).map(|row| TokenView::new(&manager, row)))
}

/// Make an API token
///
/// It is shown in this answer and never again.
#[utoipa::path(post, path = "/tokens", operation_id = "create_token", request_body = CreateToken, responses(
    (status = 201, body = IssuedTokenView),
    (status = 409, description = "the name is taken", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn create(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(new): Body<CreateToken>,
) -> Result<(StatusCode, Json<IssuedTokenView>), Problem> {
    let now = manager.config().clock.now();
    let expires_at = Expiry { expires_at: new.expires_at.as_deref(), duration: new.duration.as_deref() }.moment(now)?;
    if expires_at.is_some_and(|at| at <= now) {
        return Err(Problem::unfit("expires_at", "is over already: the token would open nothing"));
    }
    let wanted = NewToken { expires_at, scopes: read_scopes(&new.scopes)?, name: new.name, role: new.role };
    let issued = manager.finish({
        let manager = manager.clone();
        async move { manager.create_token(wanted, &actor).await }
    });
    let issued = issued.await?;
    let view = IssuedTokenView { token: issued.secret.expose().to_owned(), view: TokenView::new(&manager, issued.row) };
    Ok((StatusCode::CREATED, Json(view)))
}

/// An API token
#[utoipa::path(get, path = "/tokens/{token}", operation_id = "get_token",
    params(("token" = String, Path, description = "Its name")), responses(
    (status = 200, body = TokenView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(State(manager): State<Manager>, Named(token): Named) -> Result<Json<TokenView>, Problem> {
    let row = manager.inner().tokens.find(&token)?;
    Ok(Json(TokenView::new(&manager, row)))
}

/// Revoke an API token
///
/// It stops working at once. The answer shows it as it was.
#[utoipa::path(delete, path = "/tokens/{token}", operation_id = "revoke_token",
    params(("token" = String, Path, description = "Its name")), responses(
    (status = 200, body = TokenView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn revoke(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(token): Named,
) -> Result<Json<TokenView>, Problem> {
    let revoked = manager.finish({
        let manager = manager.clone();
        async move { manager.revoke_token(&token, &actor).await }
    });
    let row = revoked.await?;
    Ok(Json(TokenView::new(&manager, row)))
}

// === impl TokenView ===

impl TokenView {
    fn new(manager: &Manager, row: TokenRow) -> Self {
        let now = manager.config().clock.now();
        Self {
            role: Role::stored(&row.role),
            expired: row.expires_at.is_some_and(|at| now >= at),
            name: row.name,
            shown: row.shown,
            scopes: row.scopes,
            created_by: row.created_by,
            created_at: row.created_at.to_string(),
            expires_at: row.expires_at.map(|at| at.to_string()),
            last_used_at: row.last_used_at.map(|at| at.to_string()),
        }
    }
}

fn read_scopes(words: &[String]) -> Result<Vec<Scope>, Problem> {
    if words.len() > SCOPES {
        return Err(Problem::unfit("scopes", format!("must be at most {SCOPES}")));
    }
    let known = resources();
    let read = |(n, word): (usize, &String)| {
        let unfit = |message: String| Problem::unfit(&format!("scopes[{n}]"), message);
        let scope = word.parse::<Scope>().map_err(unfit)?;
        if known.contains(&scope.resource) {
            return Ok(scope);
        }
        let names: Vec<_> = known.iter().map(String::as_str).collect();
        Err(unfit(format!("is no resource; there are {}, each also with `:read` behind it", names.join(", "))))
    };
    words.iter().enumerate().map(read).collect()
}
