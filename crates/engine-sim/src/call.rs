use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use crate::Fault;
use crate::app::App;
use crate::books::Entry;
use crate::connection::Wire;
use crate::error::{ApiError, Bare};

/// The header that names a fault for one request.
const FAULT_HEADER: &str = "x-sim-fault";

/// One request for work: its place in the books, its connection, and how it is to fail.
///
/// Taking it out of a request carries out the faults that need no answer: `refuse`, `stall:0`, `status`.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) entry: Entry,
    pub(crate) wire: Wire,
    pub(crate) fault: Option<Fault>,
    /// What identifies the request in the ids of its answer.
    pub(crate) id: String,
}

// === impl Call ===

impl FromRequestParts<Arc<App>> for Call {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        if !app.ready() {
            return Err(Bare::NotReady.into_response());
        }
        if !authorized(app, &parts.headers) && parts.uri.path().starts_with("/v1") {
            return Err(Bare::Unauthorized.into_response());
        }
        let call = Self::open(parts, app).map_err(IntoResponse::into_response)?;
        call.fail_early().await?;
        Ok(call)
    }
}

impl Call {
    fn open(parts: &Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let request_id = text_header(&parts.headers, "x-request-id").map(str::to_owned);
        let wire = parts.extensions.get::<ConnectInfo<Wire>>().map(|info| info.0.clone()).unwrap_or_default();
        wire.reset();
        let fault = match text_header(&parts.headers, FAULT_HEADER) {
            Some(text) => Some(text.parse().map_err(|e| ApiError::bad_request(format!("{e}"), Some(FAULT_HEADER)))?),
            None => app.settings.take_fault(),
        };
        let entry = app.books.open(request_id.clone(), parts.uri.path().to_owned());
        let id = request_id.unwrap_or_else(|| format!("{:016x}", crate::text::Seed::of("id").draw(entry.order())));
        Ok(Self { app: app.clone(), entry, wire, fault, id })
    }

    async fn fail_early(&self) -> Result<(), Response> {
        match self.fault {
            Some(Fault::Refuse) => {
                self.entry.fail();
                self.wire.close();
                Err(Bare::NotReady.into_response())
            }
            Some(Fault::Stall { after: 0 }) => {
                self.entry.asked(false, 0);
                self.app.stopping.cancelled().await;
                Err(ApiError::engine_dead().into_response())
            }
            Some(Fault::Status(status)) => Err(self.refuse_with(status)),
            Some(Fault::ContentPolicy) => {
                self.entry.fail();
                Err(ApiError::forbidden().into_response())
            }
            Some(Fault::ContextWindow) => {
                self.entry.fail();
                Err(ApiError::too_long(self.app.args.max_model_len).into_response())
            }
            Some(Fault::Drip { gap_ms }) => {
                self.wire.drip(Duration::from_millis(gap_ms.into()));
                Ok(())
            }
            Some(Fault::SlowHeaders { ms }) => {
                self.wire.pause_after_status_line(Duration::from_millis(ms.into()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn refuse_with(&self, status: StatusCode) -> Response {
        self.entry.fail();
        ApiError::simulated(status).into_response()
    }
}

/// Whether a request shows the key that the server wants, if it wants one.
pub(crate) fn authorized(app: &App, headers: &HeaderMap) -> bool {
    let shown = || text_header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    app.args.api_key.as_deref().is_none_or(|key| shown() == Some(key))
}

fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
