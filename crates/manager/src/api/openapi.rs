use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// What is said about the API as a whole; its paths come from the routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "Enginehouse admin API", description = "Changes take effect before they are answered."),
    modifiers(&MasterKey),
    security(("master_key" = []))
)]
pub(super) struct Description;

/// The one way to authenticate on the admin port.
struct MasterKey;

// === impl MasterKey ===

impl Modify for MasterKey {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some("The master key. The control socket asks for nothing.".to_owned());
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("master_key", SecurityScheme::Http(scheme));
    }
}
