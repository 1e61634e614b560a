use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use snapshot::{KeyKind, KeyRouting, Secret, Strategy};
use utoipa::ToSchema;

use super::IssuedKeyView;
use super::view::Expiry;
use crate::api::Problem;
use crate::api::extract::Body;
use crate::api::limits::NewLimits;
use crate::keys::KeyFields;
use crate::{Actor, Manager};

/// A key to be made. Whatever is left out does not limit it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(in crate::api) struct NewKey {
    /// The key itself, if it is not to be made: `sk-` and at least 13 more characters.
    key: Option<String>,
    /// Name, unique among keys.
    alias: Option<String>,
    /// Models that it may use; empty allows all.
    models: Vec<String>,
    /// What it is good for: `virtual` (mediated routes, the default) or `direct` (direct routes).
    #[schema(value_type = String)]
    kind: KeyKind,
    /// Names that stand for models when this key says them.
    aliases: BTreeMap<String, String>,
    #[serde(flatten)]
    limits: NewLimits,
    /// Whom it belongs to.
    owner: Option<String>,
    /// Id or alias of the team that it belongs to.
    team: Option<String>,
    /// What its requests are labelled with in the books.
    tags: Vec<String>,
    /// Further tries after a failed one, where they differ from the settings.
    retries: Option<u32>,
    /// How a deployment is chosen for it, of whatever model: `least-busy`, `simple-shuffle`, `usage-based-routing`,
    /// `usage-based-routing-v2`, `latency-based-routing` or `cost-based-routing`.
    strategy: Option<String>,
    /// Models that take over for it from one that failed, by that one's name, in place of the settings'.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    fallbacks: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// Whether no other model ever takes over for it.
    disable_fallbacks: bool,
    /// When it stops working, as `2026-12-31T23:59:59Z`.
    expires_at: Option<String>,
    /// When it stops working, from now: `30d`, `12h`, `1mo`.
    duration: Option<String>,
    /// Whether it is blocked from the start.
    blocked: bool,
    /// Whatever is to be attached.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// Make a key
///
/// It is shown in this answer and never again.
#[utoipa::path(post, path = "/keys", operation_id = "create_key", request_body = NewKey, responses(
    (status = 201, body = IssuedKeyView),
    (status = 409, description = "the alias or the key is taken", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn create(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(new): Body<NewKey>,
) -> Result<(StatusCode, Json<IssuedKeyView>), Problem> {
    let expiry = Expiry { expires_at: new.expires_at.as_deref(), duration: new.duration.as_deref() };
    let fields = KeyFields {
        expires_at: expiry.moment(manager.config().clock.now())?,
        alias: new.alias,
        models: new.models,
        kind: new.kind,
        aliases: new.aliases,
        limits: new.limits.into_row()?,
        owner: new.owner,
        team: new.team,
        tags: new.tags,
        retries: new.retries,
        routing: KeyRouting {
            strategy: strategy(new.strategy)?,
            fallbacks: new.fallbacks,
            disable_fallbacks: new.disable_fallbacks,
        },
        blocked: new.blocked,
        metadata: new.metadata,
    };
    let secret = new.key.map(Secret::new);
    let issued = manager.finish({
        let manager = manager.clone();
        async move { manager.create_key(fields, secret, &actor).await }
    });
    let issued = issued.await?;
    let view = IssuedKeyView::of_issued(&manager, issued).await.warn_of_unknown_models(&manager);
    Ok((StatusCode::CREATED, Json(view)))
}

/// The strategy of this name.
pub(super) fn strategy(name: Option<String>) -> Result<Option<Strategy>, Problem> {
    let strategy = name.map(|name| name.parse::<Strategy>()).transpose();
    strategy.map_err(|unknown| Problem::unfit("strategy", format!("is unknown: {unknown}")))
}
