use axum::Json;
use axum::extract::State;
use ledger::Nanos;
use serde_json::{Value, json};

use super::LiteError;
use crate::Manager;

/// `GET /global/spend`
pub(super) async fn global_spend(State(manager): State<Manager>) -> Result<Json<Value>, LiteError> {
    let spend = manager.store().events().spend().await?;
    let total: Nanos = spend.values().map(|spend| spend.cost).sum();
    Ok(Json(json!({ "spend": total.as_units(), "max_budget": 0.0 })))
}
