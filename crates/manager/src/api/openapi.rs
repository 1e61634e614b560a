use std::collections::BTreeSet;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

mod complete;

pub(super) use complete::complete;

/// What marks a POST that changes nothing: whoever may look may send it.
const READS_ONLY: &str = "x-reads-only";

/// What is said about the API as a whole; its paths come from the routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "Enginehouse admin API", description = "Changes take effect before they are answered."),
    modifiers(&Security),
    security(("bearer" = []), ("session" = []))
)]
pub(super) struct Description;

/// The ways to authenticate on the admin port.
struct Security;

// === impl Security ===

impl Modify for Security {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description =
            Some("An API token (`ent-…`) or the master key (`sk-…`). The control socket asks for nothing.".to_owned());
        let text = "A session, as `POST /api/v1/session` begins it. Changes need the header `x-csrf-token` too, and must \
                    say by `Origin` or `Sec-Fetch-Site` that they come from here.";
        let session = ApiKey::Cookie(ApiKeyValue::with_description("enginehouse", text));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    }
}

/// Paths whose POST changes nothing.
pub(super) fn reading(description: &utoipa::openapi::OpenApi) -> BTreeSet<String> {
    let is_reading = |item: &utoipa::openapi::PathItem| {
        let extensions = item.post.as_ref().and_then(|post| post.extensions.as_ref());
        extensions.is_some_and(|extensions| extensions.get(READS_ONLY) == Some(&serde_json::Value::Bool(true)))
    };
    let paths = description.paths.paths.iter();
    paths.filter(|(_, item)| is_reading(item)).map(|(path, _)| path.clone()).collect()
}

/// The resources that there are: the first part of every path.
pub(super) fn resources(description: &utoipa::openapi::OpenApi) -> BTreeSet<String> {
    let first =
        |path: &String| path.strip_prefix("/api/v1/").and_then(|path| path.split('/').next().map(str::to_owned));
    description.paths.paths.keys().filter_map(first).filter(|name| name != "session").collect()
}
