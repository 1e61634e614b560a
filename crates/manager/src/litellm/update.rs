use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::{LiteError, actor, row};
use crate::Manager;

/// `POST /key/update`
pub(super) async fn update(State(manager): State<Manager>, body: Bytes) -> Result<Json<Map<String, Value>>, LiteError> {
    let sent = Fields::read(&body, manager.config().clock.now())?;
    let (name, asked) = (sent.name()?, sent.key.clone());
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.update_key(&name, "key.update", &actor(), sent.edit).await }
    });
    let key = changed.await?.row;
    let spent = row::Spent::by_key(&manager, &key).await?;
    let mut answer = row::table(&key, &spent);
    answer.insert("key".to_owned(), asked.into());
    row::warn(&mut answer, manager.unknown_models(&key.models));
    Ok(Json(answer))
}
