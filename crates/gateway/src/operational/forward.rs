use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::edge::{Body, BodyBounds, receive};
use crate::gateway::Gateway;
use crate::rescue::Cause;
use crate::serving::Serving;
use crate::upstream::{Client, Segments};

/// Bytes that the body of a management request may have.
const MAX_BYTES: usize = 1 << 20;
/// How long the manager may take to answer; one that is stopped never does.
const ANSWER_BOUND: Duration = Duration::from_secs(15);

/// Passes a management request, whose master key was checked, to the manager's socket. The key ends here:
/// only method, path, type and body go on.
pub(crate) async fn forward(
    gateway: &Gateway,
    serving: &Serving,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cause> {
    let manager = gateway.manager.as_ref().ok_or(Cause::ManagerAway)?;
    let (head, body) = request.into_parts();
    let bounds = BodyBounds { max: MAX_BYTES, max_sum: serving.settings.max_buffered_bytes };
    let (body, _permit) = receive(&head.headers, body, &gateway.buffers, bounds).await?;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut onward = Request::new(Segments::new(vec![body]));
    *onward.method_mut() = head.method;
    *onward.uri_mut() = Client::uri(path.strip_prefix("/v1").unwrap_or(path));
    if let Some(value) = head.headers.get(CONTENT_TYPE) {
        onward.headers_mut().insert(CONTENT_TYPE, value.clone());
    }
    let answer = timeout(ANSWER_BOUND, manager.send(onward)).await.map_err(|_| Cause::ManagerAway)?;
    let (head, body) = answer.map_err(|_| Cause::ManagerAway)?.into_parts();
    let mut response = Response::new(Body::Forwarded(body));
    *response.status_mut() = head.status;
    if let Some(value) = head.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, value.clone());
    }
    Ok(response)
}
