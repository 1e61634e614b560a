use crate::Manager;
use axum::Router;
pub(crate) fn router() -> Router<Manager> {
    Router::new()
}
