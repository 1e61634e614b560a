//! The admin API: `/api/v1` in JSON, errors as `application/problem+json`, described by `/api/openapi.json`, which is
//! made from the routes themselves.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Extension, Json, Router, middleware};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Actor, Manager, litellm, metrics};

mod accounts;
mod apply;
mod audit;
mod auth;
mod change;
mod cookie;
mod credentials;
mod document;
mod drift;
mod edit_lock;
mod etag;
mod events;
mod extract;
mod gpus;
mod host;
mod housekeeping;
mod hub;
mod images;
mod items;
mod jobs;
mod keys;
mod limits;
mod logs;
mod master_key;
mod models;
mod moment;
mod networks;
mod open;
mod openapi;
mod origin;
mod page;
mod plan;
mod precondition;
mod problem;
mod render;
mod restore;
mod revisions;
mod schema;
mod session;
mod staged;
mod status;
mod stream;
mod teams;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;

pub use networks::AllowedNetworks;
use problem::Problem;

/// Bytes that a request body may have.
const MAX_BODY: usize = 16 << 20;

/// Where the description lies.
const DESCRIPTION: &str = "/api/openapi.json";
/// What a page presents besides its session.
const CSRF_HEADER: &str = "x-csrf-token";

/// The API for who can open the control socket, with LiteLLM's paths, which the gateway forwards there.
pub(crate) fn control_router(manager: &Manager) -> Router {
    let actor = Extension(Actor::owner());
    finish(api().merge(litellm::router()).layer(actor), manager)
}

/// The API for everybody who can log in, or holds a token or the master key, served on `own` address to `networks`.
pub(crate) fn admin_router(manager: &Manager, own: SocketAddr, networks: AllowedNetworks) -> Router {
    let metrics = Router::new().route("/metrics", get(metrics::metrics));
    let guard = auth::Guard::new(manager.clone(), openapi::reading(&described().1));
    let router = finish(api().merge(metrics), manager);
    let guarded = router.layer(middleware::from_fn_with_state(guard, auth::guard));
    let named = guarded.layer(middleware::from_fn_with_state(own, host::require_own_host));
    named.layer(middleware::from_fn_with_state(networks, networks::require_allowed))
}

fn api() -> Router<Manager> {
    let (routes, description) = described();
    routes.route(DESCRIPTION, get(async || Json(description)))
}

fn finish(router: Router<Manager>, manager: &Manager) -> Router {
    router
        .fallback(async || Problem::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(middleware::from_fn(page::link))
        .layer(middleware::from_fn_with_state(manager.clone(), events::announce))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(manager.clone())
}

/// The resources that a scope can name.
fn resources() -> BTreeSet<String> {
    openapi::resources(&described().1)
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
        .routes(routes!(revisions::diff))
        .routes(routes!(revisions::rollback))
        .routes(routes!(revisions::stage))
        .routes(routes!(items::list))
        .routes(routes!(items::get))
        .routes(routes!(staged::list, staged::together))
        .routes(routes!(staged::put, staged::delete))
        .routes(routes!(staged::apply))
        .routes(routes!(staged::discard))
        .routes(routes!(plan::plan))
        .routes(routes!(drift::drift))
        .routes(routes!(drift::resync))
        .routes(routes!(edit_lock::get, edit_lock::set))
        .routes(routes!(schema::schema))
        .routes(routes!(models::models, models::add))
        .routes(routes!(models::model, models::remove))
        .routes(routes!(models::test))
        .routes(routes!(models::resources))
        .routes(routes!(models::start))
        .routes(routes!(models::stop))
        .routes(routes!(models::restart))
        .routes(routes!(models::replace))
        .routes(routes!(models::plan))
        .routes(routes!(open::get, open::set))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::get, keys::update, keys::delete))
        .routes(routes!(keys::block))
        .routes(routes!(keys::unblock))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::reach))
        .routes(routes!(teams::list, teams::create))
        .routes(routes!(teams::get, teams::update, teams::delete))
        .routes(routes!(teams::block))
        .routes(routes!(teams::unblock))
        .routes(routes!(usage::usage))
        .routes(routes!(housekeeping::get))
        .routes(routes!(housekeeping::run))
        .routes(routes!(gpus::gpus))
        .routes(routes!(hub::models))
        .routes(routes!(hub::remove))
        .routes(routes!(hub::list, hub::begin))
        .routes(routes!(hub::get, hub::cancel))
        .routes(routes!(images::images))
        .routes(routes!(images::build))
        .routes(routes!(images::pull))
        .routes(routes!(images::prune))
        .routes(routes!(images::remove))
        .routes(routes!(images::list))
        .routes(routes!(images::get, images::cancel))
        .routes(routes!(credentials::list))
        .routes(routes!(credentials::set, credentials::delete))
        .routes(routes!(credentials::reseal))
        .routes(routes!(render::list))
        .routes(routes!(render::get))
        .routes(routes!(session::get, session::log_in, session::log_out))
        .routes(routes!(session::set_password))
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::get, accounts::update, accounts::delete))
        .routes(routes!(accounts::reset_password))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::get, tokens::revoke))
        .routes(routes!(master_key::rotate))
        .routes(routes!(audit::list))
        .routes(routes!(events::events))
        .routes(routes!(restore::restoration))
        .routes(routes!(logs::logs));
    let whole = OpenApiRouter::with_openapi(openapi::Description::openapi()).nest("/api/v1", v1);
    let (routes, description) = whole.split_for_parts();
    (routes, openapi::complete(description))
}
