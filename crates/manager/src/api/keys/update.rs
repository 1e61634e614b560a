use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::KeyView;
use super::view::{Expiry, nanos};
use crate::api::Problem;
use crate::api::extract::Body;
use crate::keys::KeyFields;
use crate::{Actor, Manager};

/// What is to be changed. Whatever is left out stays; null takes a limit away.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::api) struct KeyPatch {
    /// Name, unique among keys.
    #[serde(deserialize_with = "some")]
    #[schema(value_type = Option<String>)]
    alias: Option<Option<String>>,
    /// Models that it may use; empty allows all.
    models: Option<Vec<String>>,
    /// Requests a minute.
    #[serde(deserialize_with = "some")]
    #[schema(value_type = Option<u64>)]
    rpm: Option<Option<u64>>,
    /// Requests at once.
    #[serde(deserialize_with = "some")]
    #[schema(value_type = Option<u64>)]
    max_parallel: Option<Option<u64>>,
    /// What it may spend in all, in units of the currency.
    #[serde(deserialize_with = "some")]
    #[schema(value_type = Option<f64>)]
    max_budget: Option<Option<f64>>,
    /// When it stops working, as `2026-12-31T23:59:59Z`.
    #[serde(deserialize_with = "some")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<String>>,
    /// When it stops working, from now: `30d`, `12h`, `1mo`.
    duration: Option<String>,
    /// Whether it is blocked.
    blocked: Option<bool>,
    /// Whatever is to be attached instead of what was.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Change a key
#[utoipa::path(patch, path = "/keys/{key}", operation_id = "update_key", request_body = KeyPatch,
    params(("key" = String, Path, description = "Its id, hash or alias")), responses(
    (status = 200, body = KeyView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn update(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Path(key): Path<String>,
    Body(patch): Body<KeyPatch>,
) -> Result<Json<KeyView>, Problem> {
    let given = patch.expires_at.as_ref().and_then(Option::as_deref);
    let expiry = Expiry { expires_at: given, duration: patch.duration.as_deref() };
    let moment = expiry.moment(manager.config().clock.now())?;
    let budget = match patch.max_budget {
        Some(Some(units)) => Some(Some(nanos("max_budget", units)?)),
        Some(None) => Some(None),
        None => None,
    };
    let sets_expiry = patch.expires_at.is_some() || patch.duration.is_some();
    let edit = move |fields: &mut KeyFields| {
        set(&mut fields.alias, patch.alias);
        set(&mut fields.models, patch.models);
        set(&mut fields.rpm, patch.rpm);
        set(&mut fields.max_parallel, patch.max_parallel);
        set(&mut fields.max_budget, budget);
        set(&mut fields.expires_at, sets_expiry.then_some(moment));
        set(&mut fields.blocked, patch.blocked);
        set(&mut fields.metadata, patch.metadata);
    };
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.update_key(&key, "key.update", actor, edit).await }
    });
    let changed = changed.await?;
    Ok(Json(KeyView::of_changed(&manager, changed).await))
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Tells a field that is null from one that is left out.
fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
