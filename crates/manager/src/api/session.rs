//! Who one is, logging in and out, and one's own password.

use axum::extract::State;
use axum::response::AppendHeaders;
use axum::{Extension, Json};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use snapshot::{KeyHash, Secret};
use utoipa::ToSchema;

use super::Problem;
use super::extract::{Body, Remote};
use super::{cookie, origin};
use crate::access::Role;
use crate::actor::Via;
use crate::sessions::Begun;
use crate::{Actor, Manager, sessions};

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// Name of the account.
    account: String,
    /// Its password.
    #[schema(format = Password)]
    password: String,
}

/// One's own password, and what it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// What it is now.
    #[schema(format = Password)]
    current: String,
    /// What it is to be: 8 to 256 characters.
    #[schema(format = Password)]
    new: String,
}

/// Who one is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    /// As revisions and the audit name one: an account, `token:…`, `master` or `owner`.
    actor: String,
    /// How one got in: `session`, `token`, `master-key` or `socket`.
    #[schema(value_type = String)]
    via: &'static str,
    /// What one may do.
    role: Role,
    /// Resources that one is confined to; empty allows all.
    scopes: Vec<String>,
    /// What changes need as `x-csrf-token`, with a session.
    csrf_token: Option<String>,
    /// When the session ends, however much it is used.
    expires_at: Option<String>,
}

/// What a browser is told to keep.
type SetCookie = AppendHeaders<[(header::HeaderName, HeaderValue); 1]>;

/// Who one is
#[utoipa::path(get, path = "/session", operation_id = "session", responses(
    (status = 200, body = SessionView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
) -> Json<SessionView> {
    let presented = cookie::session(&headers).filter(|_| matches!(actor.via(), Via::Session(_)));
    let row = presented.and_then(|id| manager.session(id)).map(|(row, _)| row);
    Json(SessionView {
        csrf_token: presented.map(sessions::csrf_token),
        expires_at: row.map(|row| row.expires_at.to_string()),
        ..SessionView::of(&actor)
    })
}

/// Log in
///
/// The session comes as a cookie that scripts cannot read, with an id that is always new. It ends two hours after it was
/// last used, and after a day. Changes with it need the header `x-csrf-token`.
#[utoipa::path(post, path = "/session", operation_id = "log_in", request_body = Login, security(()), responses(
    (status = 200, body = SessionView, headers(("set-cookie" = String, description = "the session"))),
    (status = 401, description = "name or password is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "too many tries", body = Problem, content_type = "application/problem+json",
        headers(("retry-after" = u64, description = "seconds"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn log_in(
    State(manager): State<Manager>,
    Remote(remote): Remote,
    headers: HeaderMap,
    Body(login): Body<Login>,
) -> Result<(SetCookie, Json<SessionView>), Problem> {
    origin::check_not_foreign(&headers)?;
    let password = Secret::new(login.password);
    let old = cookie::session(&headers).map(KeyHash::of);
    let done = manager.finish({
        let (manager, account) = (manager.clone(), login.account.clone());
        async move { manager.log_in(&account, &password, old, remote).await }
    });
    let done = done.await?;
    let actor = Actor::account(&login.account, done.role, done.session.row.hash, remote);
    Ok(begun(&actor, &done.session, cookie::is_secure(&headers, remote)))
}

/// Log out
#[utoipa::path(delete, path = "/session", operation_id = "log_out", responses(
    (status = 204, description = "the session has ended"),
    (status = 409, description = "there is no session to end", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn log_out(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Remote(remote): Remote,
    headers: HeaderMap,
) -> Result<(StatusCode, SetCookie), Problem> {
    let Via::Session(hash) = actor.via() else { return Err(no_session()) };
    let ended = manager.finish({
        let manager = manager.clone();
        async move { manager.end_session(hash, &actor).await }
    });
    ended.await?;
    let forget = cookie::forget(cookie::is_secure(&headers, remote));
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, forget)])))
}

/// Change one's own password
///
/// All sessions of the account end; this one goes on under a new id.
#[utoipa::path(put, path = "/session/password", operation_id = "set_own_password", request_body = NewPassword, responses(
    (status = 200, body = SessionView, headers(("set-cookie" = String, description = "the session"))),
    (status = 409, description = "who came without a session has no password", body = Problem,
        content_type = "application/problem+json"),
    (status = 429, description = "too many tries", body = Problem, content_type = "application/problem+json",
        headers(("retry-after" = u64, description = "seconds"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn set_password(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Remote(remote): Remote,
    headers: HeaderMap,
    Body(passwords): Body<NewPassword>,
) -> Result<(SetCookie, Json<SessionView>), Problem> {
    if !matches!(actor.via(), Via::Session(_)) {
        return Err(no_session());
    }
    let (current, new) = (Secret::new(passwords.current), Secret::new(passwords.new));
    let done = manager.finish({
        let (manager, actor) = (manager.clone(), actor.clone());
        async move { manager.set_own_password(&actor, &current, new, remote).await }
    });
    let session = done.await?;
    Ok(begun(&actor, &session, cookie::is_secure(&headers, remote)))
}

// === impl SessionView ===

impl SessionView {
    fn of(actor: &Actor) -> Self {
        Self {
            actor: actor.name().to_owned(),
            via: actor.via().as_str(),
            role: actor.access().role,
            scopes: actor.access().scopes.iter().map(ToString::to_string).collect(),
            csrf_token: None,
            expires_at: None,
        }
    }
}

fn begun(actor: &Actor, session: &Begun, is_secure: bool) -> (SetCookie, Json<SessionView>) {
    let view = SessionView {
        csrf_token: Some(sessions::csrf_token(session.id.expose())),
        expires_at: Some(session.row.expires_at.to_string()),
        ..SessionView::of(actor)
    };
    (AppendHeaders([(header::SET_COOKIE, cookie::keep(session.id.expose(), is_secure))]), Json(view))
}

fn no_session() -> Problem {
    Problem::conflict("there is no session here: whoever presents a token, a key or a socket has none, and no password")
}
