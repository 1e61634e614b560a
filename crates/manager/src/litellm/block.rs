use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::{LiteError, actor, row};
use crate::Manager;
use crate::keys::KeyEdit;

/// `POST /key/block`
pub(super) async fn block(State(manager): State<Manager>, body: Bytes) -> Result<Json<Map<String, Value>>, LiteError> {
    set(manager, &body, "key.block", true).await
}

/// `POST /key/unblock`
pub(super) async fn unblock(
    State(manager): State<Manager>,
    body: Bytes,
) -> Result<Json<Map<String, Value>>, LiteError> {
    set(manager, &body, "key.unblock", false).await
}

async fn set(
    manager: Manager,
    body: &Bytes,
    action: &'static str,
    blocked: bool,
) -> Result<Json<Map<String, Value>>, LiteError> {
    let name = Fields::read(body, manager.config().clock.now())?.name()?;
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.update_key(&name, action, &actor(), KeyEdit::blocked(blocked)).await }
    });
    let key = changed.await?.row;
    let spent = row::Spent::by_key(&manager, &key).await?;
    Ok(Json(row::table(&key, &spent)))
}
