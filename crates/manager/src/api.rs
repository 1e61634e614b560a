use crate::Manager;

/// The admin API without authentication.
pub(crate) fn router(manager: Manager) -> axum::Router {
    axum::Router::new().with_state(manager)
}
