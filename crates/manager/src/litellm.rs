//! LiteLLM's management paths, so that what talks to a LiteLLM proxy can talk to Enginehouse: its shapes with the
//! fields that there are here, and null for the others.
//!
//! They are served on the control socket; the gateway forwards them there once it has seen the master key. A field
//! that would have no effect here is refused by name rather than taken and forgotten.

use axum::Router;
use axum::routing::{get, post};

use crate::{Actor, Manager};

mod block;
mod delete;
mod error;
mod fields;
mod generate;
mod global_spend;
mod info;
mod limits;
mod list;
mod model_info;
mod regenerate;
mod row;
mod spend_logs;
mod team;
#[cfg(test)]
mod tests;
mod update;

use error::LiteError;

/// What LiteLLM calls the master key where it stands for a key's hash.
const MASTER: &str = "litellm_proxy_master_key";
/// What LiteLLM calls the holder of the master key.
const USER: &str = "default_user_id";

/// Who gets here has presented the master key to the gateway.
fn actor() -> Actor {
    Actor::litellm()
}

/// All paths.
pub(crate) fn router() -> Router<Manager> {
    Router::new()
        .route("/key/generate", post(generate::generate))
        .route("/key/info", get(info::info))
        .route("/key/list", get(list::list))
        .route("/key/update", post(update::update))
        .route("/key/delete", post(delete::delete))
        .route("/key/block", post(block::block))
        .route("/key/unblock", post(block::unblock))
        .route("/key/regenerate", post(regenerate::regenerate))
        .route("/key/{key}/regenerate", post(regenerate::regenerate_named))
        .route("/team/new", post(team::new))
        .route("/team/update", post(team::update))
        .route("/team/info", get(team::info))
        .route("/team/list", get(team::list))
        .route("/team/delete", post(team::delete))
        .route("/team/block", post(team::block))
        .route("/team/unblock", post(team::unblock))
        .route("/spend/logs", get(spend_logs::spend_logs))
        .route("/global/spend", get(global_spend::global_spend))
        .route("/model/info", get(model_info::model_info))
}
