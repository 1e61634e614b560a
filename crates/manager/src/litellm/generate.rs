use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Map, Value};
use snapshot::Secret;

use super::fields::Fields;
use super::{LiteError, actor, row};
use crate::Manager;
use crate::keys::KeyFields;

/// `POST /key/generate`
pub(super) async fn generate(
    State(manager): State<Manager>,
    body: Bytes,
) -> Result<Json<Map<String, Value>>, LiteError> {
    let mut sent = Fields::read(&body, manager.config().clock.now())?;
    let secret = sent.key.take().map(Secret::new);
    let mut fields = KeyFields::default();
    sent.edit.apply(&mut fields);
    let issued = manager.finish({
        let manager = manager.clone();
        async move { manager.create_key(fields, secret, &actor()).await }
    });
    let issued = issued.await?;
    let mut answer = row::issued(&issued.changed.row, &issued.secret, &row::Spent::default());
    row::warn(&mut answer, manager.unknown_models(&issued.changed.row.models));
    Ok(Json(answer))
}
