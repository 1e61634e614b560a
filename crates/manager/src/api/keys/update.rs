use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::Timestamp;
use axum::extract::State;
use axum::{Extension, Json};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::KeyView;
use super::create::strategy;
use super::view::Expiry;
use crate::api::Problem;
use crate::api::etag;
use crate::api::extract::{Body, Named};
use crate::api::limits::LimitsPatch;
use crate::keys::{Edit, KeyEdit, KeyError, Seen};
use crate::{Actor, Manager};

/// What is to be changed. Whatever is left out stays; null takes a limit away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct KeyPatch {
    /// Name, unique among keys.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    alias: Edit<Option<String>>,
    /// Models that it may use; empty allows all.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    models: Edit<Vec<String>>,
    /// Names that stand for models when this key says them, instead of those that did.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    aliases: Edit<BTreeMap<String, String>>,
    #[serde(flatten)]
    limits: LimitsPatch,
    /// Whom it belongs to.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    owner: Edit<Option<String>>,
    /// Id or alias of the team that it belongs to.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    team: Edit<Option<String>>,
    /// What its requests are labelled with in the books, instead of what was.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    tags: Edit<Vec<String>>,
    /// Further tries after a failed one, where they differ from the settings.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    retries: Edit<Option<u32>>,
    /// How a deployment is chosen for it, of whatever model; null: as for everybody.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    strategy: Edit<Option<String>>,
    /// Models that take over for it from one that failed, by that one's name, instead of those that did.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    fallbacks: Edit<BTreeMap<Arc<str>, Vec<Arc<str>>>>,
    /// Whether no other model ever takes over for it.
    #[serde(default)]
    #[schema(value_type = bool)]
    disable_fallbacks: Edit<bool>,
    /// When it stops working, as `2026-12-31T23:59:59Z`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    expires_at: Edit<Option<String>>,
    /// When it stops working, from now: `30d`, `12h`, `1mo`.
    duration: Option<String>,
    /// Whether it is blocked.
    #[serde(default)]
    #[schema(value_type = bool)]
    blocked: Edit<bool>,
    /// Whatever is to be attached instead of what was.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Edit<Map<String, Value>>,
}

/// Change a key
#[utoipa::path(patch, path = "/keys/{key}", operation_id = "update_key", request_body = KeyPatch,
    params(("key" = String, Path, description = "Its id, hash or alias"),
        ("if-match" = Option<String>, Header, description = "its `etag`: only if it is still what was seen")), responses(
    (status = 200, body = KeyView),
    (status = 412, description = "it was changed meanwhile; who did what stands in it", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn update(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(key): Named,
    headers: HeaderMap,
    Body(patch): Body<KeyPatch>,
) -> Result<Json<KeyView>, Problem> {
    let edit = KeyEdit { seen: etag::seen(&headers), ..patch.into_edit(manager.config().clock.now())? };
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.update_key(&key, "key.update", &actor, edit).await }
    });
    let changed = match changed.await {
        Err(KeyError::Stale(id)) => return Err(etag::stale(&manager, &id).await),
        changed => changed?,
    };
    Ok(Json(KeyView::of_changed(&manager, changed).await.warn_of_unknown_models(&manager)))
}

// === impl KeyPatch ===

impl KeyPatch {
    fn into_edit(self, now: Timestamp) -> Result<KeyEdit, Problem> {
        let Self { expires_at, duration, .. } = self;
        let given = if let Edit::Set(Some(moment)) = &expires_at { Some(moment.as_str()) } else { None };
        let moment = Expiry { expires_at: given, duration: duration.as_deref() }.moment(now)?;
        let sets_expiry = duration.is_some() || expires_at != Edit::Keep;
        Ok(KeyEdit {
            seen: Seen::default(),
            alias: self.alias,
            models: self.models,
            aliases: self.aliases,
            limits: self.limits.into_edit()?,
            owner: self.owner,
            team: self.team,
            tags: self.tags,
            retries: self.retries,
            strategy: self.strategy.try_map(strategy)?,
            fallbacks: self.fallbacks,
            disable_fallbacks: self.disable_fallbacks,
            expires_at: if sets_expiry { Edit::Set(moment) } else { Edit::Keep },
            blocked: self.blocked,
            metadata: self.metadata,
        })
    }
}
