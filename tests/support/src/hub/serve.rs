use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Seen, State, answer};

/// A body that can break.
pub(super) type Body = BoxBody<Bytes, std::io::Error>;

/// A server, and where it listens.
pub(super) async fn listen(state: Arc<State>, cdn: bool) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let state = state.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let response = handle(&state, cdn, &request);
                    async move { Ok::<_, Infallible>(response) }
                });
                // A connection that breaks is what some tests are about.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, task)
}

fn handle(state: &State, cdn: bool, request: &Request<Incoming>) -> Response<Body> {
    let text = |name| request.headers().get(name).and_then(|value| Some(value.to_str().ok()?.to_owned()));
    let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let seen = Seen { cdn, path, authorization: text(header::AUTHORIZATION), range: text(header::RANGE) };
    let mut inner = state.lock();
    inner.seen.push(seen.clone());
    let fault = inner.next_fault(&seen.path);
    let is_head = request.method() == http::Method::HEAD;
    let response = answer::answer(&inner, &seen, fault);
    let nothing = || http_body_util::Empty::new().map_err(|never| match never {}).boxed();
    if is_head { response.map(|_| nothing()) } else { response }
}
