use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::KeyRow;

use super::{LiteError, row};
use crate::Manager;
use crate::compiler::key_period;

/// Keys on a page unless asked otherwise, and at most.
const SIZE: (usize, usize) = (10, 100);

/// Which keys, and which page of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListParams {
    page: Option<usize>,
    size: Option<usize>,
    return_full_object: Option<bool>,
    key_alias: Option<String>,
    key_hash: Option<String>,
    status: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
    /// No key here belongs to any of these: asked for those of one, there are none.
    organization_id: Option<String>,
    project_id: Option<String>,
    agent_id: Option<String>,
}

/// `GET /key/list`
pub(super) async fn list(
    State(manager): State<Manager>,
    Query(params): Query<ListParams>,
) -> Result<Json<Value>, LiteError> {
    let (page, size) = (params.page.unwrap_or(1).max(1), params.size.unwrap_or(SIZE.0).clamp(1, SIZE.1));
    let found = params.select(&manager)?;
    let on_page = found.iter().skip((page - 1).saturating_mul(size)).take(size);
    let keys: Vec<Value> = if params.return_full_object == Some(true) {
        let spend = manager.store().events().spend().await?;
        let budgets = manager.budgets(found.iter().filter_map(key_period)).await?;
        let spent = |key: &KeyRow| row::Spent {
            total: spend.get(&key.id).copied().unwrap_or_default().cost,
            run: budgets.run(key_period(key), |spending| spending.keys.get(&key.id).copied().unwrap_or_default()),
        };
        on_page.map(|key| row::table(key, &spent(key))).map(whole).collect()
    } else {
        on_page.map(|key| key.hash.to_string().into()).collect()
    };
    let pages = found.len().div_ceil(size);
    Ok(Json(json!({ "keys": keys, "total_count": found.len(), "current_page": page, "total_pages": pages })))
}

// === impl ListParams ===

impl ListParams {
    /// The keys that are asked for, in order.
    fn select(&self, manager: &Manager) -> Result<Vec<KeyRow>, LiteError> {
        if self.sort_by.as_deref().is_some_and(|field| !matches!(field, "" | "created_at")) {
            return Err(LiteError::bad_request(Some("sort_by"), "keys can be sorted by created_at only"));
        }
        let now = manager.config().clock.now();
        let rows = manager.inner().keys.rows();
        let mut keys: Vec<_> = rows
            .iter()
            .filter(|key| key.deleted_at.is_none() && !self.asks_for_an_owner())
            .filter(|key| matches(self.key_alias.as_deref(), key.alias.as_deref().unwrap_or_default()))
            .filter(|key| matches(self.user_id.as_deref(), key.owner.as_deref().unwrap_or_default()))
            .filter(|key| matches(self.team_id.as_deref(), key.team.as_deref().unwrap_or_default()))
            .filter(|key| matches(self.key_hash.as_deref(), &key.hash.to_string()))
            .filter(|key| matches(self.status.as_deref(), row::status(key, now)))
            .cloned()
            .collect();
        if self.sort_order.as_deref() != Some("asc") {
            keys.reverse();
        }
        Ok(keys)
    }

    fn asks_for_an_owner(&self) -> bool {
        let owners = [&self.organization_id, &self.project_id, &self.agent_id];
        owners.into_iter().flatten().any(|owner| !owner.is_empty())
    }
}

fn matches(asked: Option<&str>, found: &str) -> bool {
    asked.is_none_or(|asked| asked.is_empty() || asked == found)
}

/// With the fields that only this path shows.
fn whole(mut row: Map<String, Value>) -> Value {
    let organization = row.remove("organization_id").unwrap_or_default();
    row.insert("org_id".to_owned(), organization);
    row.into()
}
