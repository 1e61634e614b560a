//! The admin API: `/api/v1` in JSON, errors as `application/problem+json`, described by `/api/openapi.json`, which is
//! made from the routes themselves.

use std::net::SocketAddr;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Extension, Json, Router, middleware};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Actor, Manager, litellm, metrics};

mod apply;
mod auth;
mod document;
mod extract;
mod host;
mod housekeeping;
mod jobs;
mod keys;
mod limits;
mod models;
mod open;
mod openapi;
mod problem;
mod revisions;
mod schema;
mod status;
mod teams;
#[cfg(test)]
mod tests;
mod usage;

use problem::Problem;

/// Bytes that a request body may have.
const MAX_BODY: usize = 16 << 20;

/// The API for who can open the control socket, with LiteLLM's paths, which the gateway forwards there.
pub(crate) fn control_router(manager: &Manager) -> Router {
    let actor = Extension(Actor::owner());
    finish(api().merge(litellm::router()).layer(actor), manager)
}

/// The API for holders of the master key, served on `own` address.
pub(crate) fn admin_router(manager: &Manager, own: SocketAddr) -> Router {
    let metrics = Router::new().route("/metrics", get(metrics::metrics));
    let router = finish(api().merge(metrics), manager);
    let authenticated = router.layer(middleware::from_fn_with_state(manager.clone(), auth::require_master_key));
    authenticated.layer(middleware::from_fn_with_state(own, host::require_own_host))
}

fn api() -> Router<Manager> {
    let (routes, description) = described();
    routes.route("/api/openapi.json", get(async || Json(description)))
}

fn finish(router: Router<Manager>, manager: &Manager) -> Router {
    router
        .fallback(async || Problem::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(manager.clone())
}

/// The routes, and their description.
fn described() -> (Router<Manager>, utoipa::openapi::OpenApi) {
    let v1 = OpenApiRouter::new()
        .routes(routes!(status::status))
        .routes(routes!(apply::apply))
        .routes(routes!(jobs::job))
        .routes(routes!(document::document))
        .routes(routes!(revisions::list))
        .routes(routes!(revisions::get))
        .routes(routes!(schema::schema))
        .routes(routes!(models::models))
        .routes(routes!(open::get, open::set))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::get, keys::update, keys::delete))
        .routes(routes!(keys::block))
        .routes(routes!(keys::unblock))
        .routes(routes!(keys::rotate))
        .routes(routes!(teams::list, teams::create))
        .routes(routes!(teams::get, teams::update, teams::delete))
        .routes(routes!(teams::block))
        .routes(routes!(teams::unblock))
        .routes(routes!(usage::usage))
        .routes(routes!(housekeeping::get))
        .routes(routes!(housekeeping::run));
    OpenApiRouter::with_openapi(openapi::Description::openapi()).nest("/api/v1", v1).split_for_parts()
}
