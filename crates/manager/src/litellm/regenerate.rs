use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde_json::{Map, Value};

use super::fields::{Fields, lookup};
use super::{LiteError, actor, row};
use crate::Manager;

/// `POST /key/regenerate`
pub(super) async fn regenerate(
    State(manager): State<Manager>,
    body: Bytes,
) -> Result<Json<Map<String, Value>>, LiteError> {
    let sent = Fields::read(&body, manager.config().clock.now())?;
    let name = sent.name()?;
    rotate(manager, name, sent).await
}

/// `POST /key/{key}/regenerate`
pub(super) async fn regenerate_named(
    State(manager): State<Manager>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Json<Map<String, Value>>, LiteError> {
    let sent = Fields::read(&body, manager.config().clock.now())?;
    rotate(manager, lookup(&key), sent).await
}

async fn rotate(manager: Manager, name: String, mut sent: Fields) -> Result<Json<Map<String, Value>>, LiteError> {
    let secret = sent.new_key.take();
    let issued = manager.finish({
        let manager = manager.clone();
        async move { manager.rotate_key(&name, secret, &actor(), sent.edit).await }
    });
    let issued = issued.await?;
    let spent = row::Spent::by_key(&manager, &issued.changed.row).await?;
    Ok(Json(row::issued(&issued.changed.row, &issued.secret, &spent)))
}
