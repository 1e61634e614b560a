//! Who somebody is, and whether they may: before any handler of the admin port.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, header};
use snapshot::KeyHash;

use super::extract::Remote;
use super::{Problem, cookie, origin};
use crate::access::Wish;
use crate::actor::Via;
use crate::{Actor, Manager, sessions, tokens};

/// Where every path of the API begins.
const BASE: &str = "/api/v1/";
/// What everybody may use who got in: to see who they are, to leave, and to change their own password.
const OWN: &str = "session";

/// Guards the admin port.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    manager: Manager,
    /// Paths on which a POST changes nothing, as the description marks them.
    reading: Arc<BTreeSet<String>>,
}

// === impl Guard ===

impl Guard {
    pub(super) fn new(manager: Manager, reading: BTreeSet<String>) -> Self {
        Self { manager, reading: Arc::new(reading) }
    }

    fn check(&self, request: &Request) -> Result<Actor, Problem> {
        let actor = self.authenticate(request)?;
        let matched = request.extensions().get::<MatchedPath>().map_or(request.uri().path(), MatchedPath::as_str);
        let resource = matched.strip_prefix(BASE).unwrap_or(matched.trim_start_matches('/'));
        let resource = resource.split('/').next().unwrap_or_default();
        let changes = changes(request.method()) && !self.reading.contains(matched);
        // What describes the API is nobody's secret.
        if resource != OWN && matched != super::DESCRIPTION {
            actor.access().check(resource, if changes { Wish::Change } else { Wish::Read })?;
        }
        Ok(actor)
    }

    fn authenticate(&self, request: &Request) -> Result<Actor, Problem> {
        let Remote(remote) = Remote::of(request.extensions());
        if request.headers().contains_key(header::AUTHORIZATION) {
            let presented = bearer(request.headers());
            return presented.and_then(|presented| self.of_bearer(presented, remote)).ok_or_else(unauthorized);
        }
        let presented = cookie::session(request.headers()).ok_or_else(unauthorized)?;
        let (row, role) = self.manager.session(presented).ok_or_else(unauthorized)?;
        if changes(request.method()) {
            check_not_forged(request, presented)?;
        }
        Ok(Actor::account(&row.account, role, row.hash, remote))
    }

    fn of_bearer(&self, presented: &str, remote: Option<IpAddr>) -> Option<Actor> {
        if presented.starts_with(tokens::PREFIX) {
            return self.manager.token_actor(presented, remote);
        }
        // Hashes are compared, not keys: how long that takes tells nothing about the key.
        let master = self.manager.inner().outlet.master_key()?;
        (KeyHash::of(presented) == master).then(|| Actor::master(master, remote))
    }
}

// === impl Manager ===

impl Manager {
    /// Whether somebody who got in would still get in: for answers that go on for long.
    pub(crate) fn still_admits(&self, actor: &Actor) -> bool {
        match actor.via() {
            Via::Session(hash) => self.inner().sessions.find(hash, self.config().clock.now()).is_some(),
            Via::Token(hash) => self.knows_token(hash),
            Via::MasterKey(hash) => self.inner().outlet.master_key() == Some(hash),
            Via::Socket | Via::Litellm | Via::Itself => true,
        }
    }
}

/// Lets pass who is somebody and may do it, and tells the handlers who it is.
pub(super) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    if is_login(&request) {
        return next.run(request).await;
    }
    match guard.check(&request) {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The one thing that nobody has to be anybody for.
fn is_login(request: &Request) -> bool {
    request.method() == Method::POST && request.uri().path().strip_prefix(BASE) == Some(OWN)
}

/// Browsers present a session by themselves, also for pages of others. Those cannot say that they are ours, nor read what
/// a page of ours has been told.
fn check_not_forged(request: &Request, session: &str) -> Result<(), Problem> {
    origin::check_own(request.headers())?;
    let token = request.headers().get(super::CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if sessions::is_csrf_token(session, token) {
        return Ok(());
    }
    let detail = "with a session, changes need the header `x-csrf-token`, as `GET /api/v1/session` tells it";
    Err(Problem::forbidden(detail))
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

fn unauthorized() -> Problem {
    let detail =
        "log in (POST /api/v1/session), or present an API token or the master key as `Authorization: Bearer …`";
    Problem::unauthorized(detail)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stands_behind_bearer() {
        let token = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(token("Bearer sk-x").as_deref(), Some("sk-x"));
        assert_eq!(token("bearer  sk-x ").as_deref(), Some("sk-x"));
        assert_eq!(token("Basic sk-x"), None);
        assert_eq!(token("sk-x"), None);
    }
}
