use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Value, json};

use super::fields::{lookup, object, texts};
use super::{LiteError, actor};
use crate::Manager;
use crate::keys::KeyError;

/// `POST /key/delete`
pub(super) async fn delete(State(manager): State<Manager>, body: Bytes) -> Result<Json<Value>, LiteError> {
    let mut sent = object(&body)?;
    let mut take = |field: &str| sent.remove(field).map_or(Ok(Vec::new()), |value| texts(field, value));
    let (keys, aliases) = (take("keys")?, take("key_aliases")?);
    let asked = [keys.clone(), aliases.clone()].concat();
    if asked.is_empty() {
        return Err(LiteError::bad_request(None, "name the keys in `keys` or `key_aliases`"));
    }
    let names: Vec<_> = keys.iter().map(|key| lookup(key)).chain(aliases).collect();
    let deleted = manager.finish({
        let manager = manager.clone();
        async move { manager.delete_keys(&names, &actor()).await }
    });
    match deleted.await {
        Ok(()) => Ok(Json(json!({ "deleted_keys": asked }))),
        Err(KeyError::NotFound) => Err(LiteError::none_found()),
        Err(error) => Err(error.into()),
    }
}
