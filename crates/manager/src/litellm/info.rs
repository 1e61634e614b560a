use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::lookup;
use super::{LiteError, row};
use crate::Manager;

/// Which key.
#[derive(Debug, Deserialize)]
pub(super) struct InfoParams {
    /// As it is presented, or its hash. Only the master key gets here, which has no row of its own.
    key: Option<String>,
}

/// `GET /key/info`
pub(super) async fn info(
    State(manager): State<Manager>,
    Query(params): Query<InfoParams>,
) -> Result<Json<Value>, LiteError> {
    let absent = || LiteError::not_found("Key not found in database");
    let asked = params.key.ok_or_else(absent)?;
    let key = manager.inner().keys.find(&lookup(&asked)).map_err(|_| absent())?;
    let spent = row::Spent::by_key(&manager, &key).await?;
    let mut info = row::table(&key, &spent);
    info.remove("token");
    info.insert("status".to_owned(), row::status(&key, manager.config().clock.now()).into());
    Ok(Json(json!({ "key": asked, "info": info })))
}
