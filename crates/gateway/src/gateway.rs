use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Rng};
use arc_swap::ArcSwap;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use ledger::{Books, Condition, Recovered};
use snapshot::{SealedFile, Snapshot, Subscriber};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::authenticate::{Caller, authenticate, enter};
use crate::backlog::Backlog;
use crate::edge::{Body, Buffers, Peer, accept_forever, request_id};
use crate::keep::Keep;
use crate::meter::ACCESS_LOG;
use crate::metrics::Metrics;
use crate::operational::{forward, health, list_models, liveness, metrics_page, one_model, readiness};
use crate::pipeline::{mediate, recall};
use crate::rescue::Cause;
use crate::responses::Responses;
use crate::route::probe_forever;
use crate::serving::Serving;
use crate::surface::Surface;
use crate::upstream::Client;

/// What a gateway is made of.
#[derive(Debug)]
pub struct GatewayConfig {
    /// Where admitted requests are written down.
    pub books: Books,
    /// What was found in them.
    pub recovered: Recovered,
    /// The time of day, for keys that expire.
    pub clock: Clock,
    /// For request ids and for choosing among equals.
    pub rng: Rng,
    /// The manager's socket, to which management paths are forwarded.
    pub management_socket: Option<PathBuf>,
    /// What is wrong with the manager or its store: makes readiness say `degraded`, and nothing else.
    pub behind: watch::Receiver<Vec<String>>,
    /// Where the last snapshot is kept; none where the manager lives in the same process.
    pub keep: Option<SealedFile>,
}

/// The data plane: serves clients from the newest snapshot.
#[derive(Debug)]
pub struct Gateway {
    serving: Arc<ArcSwap<Serving>>,
    pub(crate) books: Books,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) buffers: Buffers,
    pub(crate) responses: Arc<Responses>,
    pub(crate) manager: Option<Client>,
    backlog: tokio::sync::Mutex<Backlog>,
    metrics: Metrics,
    behind: watch::Receiver<Vec<String>>,
    keep: Option<Keep>,
}

/// The client left before it was answered.
#[derive(Debug, thiserror::Error)]
#[error("the client has gone")]
pub(crate) struct ClientGone;

/// Requests that have ended, and not in the books yet; dropping it writes that, also where a client has gone.
struct Ends<'a>(&'a Books);

/// Time to reach the manager's socket on the same machine.
const MANAGER_BOUND: Duration = Duration::from_secs(1);

// === impl Gateway ===

impl Gateway {
    /// A gateway that serves nothing until it follows a manager.
    pub fn new(config: GatewayConfig) -> Arc<Self> {
        Arc::new(Self {
            serving: Arc::new(ArcSwap::from_pointee(Serving::default())),
            backlog: tokio::sync::Mutex::new(Backlog::new(config.books.gateway(), config.recovered)),
            books: config.books,
            clock: config.clock,
            rng: config.rng,
            buffers: Buffers::default(),
            responses: Arc::default(),
            manager: config.management_socket.map(|path| Client::unix(&path, MANAGER_BOUND)),
            metrics: Metrics::new(),
            behind: config.behind,
            keep: config.keep.map(Keep::new),
        })
    }

    /// Serves from every snapshot that comes, and probes replicas, until the manager has gone. Dropping it ends both.
    pub async fn follow(self: Arc<Self>, subscriber: Subscriber) {
        tokio::select! {
            () = self.take_over(subscriber) => {}
            () = probe_forever(self.serving.clone()) => {}
        }
    }

    async fn take_over(self: &Arc<Self>, mut subscriber: Subscriber) {
        let mut backlog = self.backlog.lock().await;
        while let Some(snapshot) = self.next_snapshot(&mut subscriber).await {
            let complete = backlog.complete(&snapshot).await;
            if !self.serve_from(complete, subscriber.published_at()).await {
                continue;
            }
            // Kept before it is acknowledged: what was promised holds also after a crash. And before segments of the books
            // are used again, which the sums in it take the place of.
            let is_kept = match &self.keep {
                Some(keep) => keep.keep(&snapshot, self.clock.now()).await,
                None => true,
            };
            self.books.release(snapshot.booked(self.books.gateway()));
            if is_kept {
                subscriber.acknowledge(snapshot.epoch);
            }
        }
    }

    /// Serves from `snapshot`, which is made ready where no request waits; false where that fails.
    async fn serve_from(self: &Arc<Self>, snapshot: Arc<Snapshot>, published_at: Instant) -> bool {
        let gateway = self.clone();
        let done = spawn_blocking(move || {
            let next = Serving::next(&gateway.serving.load(), &snapshot, &gateway.metrics, gateway.clock.now());
            gateway.books.set_on_full(match snapshot.settings.on_full {
                snapshot::OnFull::Refuse => ledger::OnFull::Refuse,
                snapshot::OnFull::Serve => ledger::OnFull::Serve,
            });
            // Requests that run keep the serving that they began with; no stream breaks.
            gateway.serving.store(Arc::new(next));
            let micros = published_at.elapsed().as_micros();
            let (epoch, models, keys) = (snapshot.epoch, snapshot.models.len(), snapshot.keys.len());
            tracing::debug!(epoch, models, keys, micros, "taken over");
            gateway.metrics.epoch.set(i64::try_from(epoch).unwrap_or(i64::MAX));
        });
        let done = done.await;
        if let Err(error) = &done {
            tracing::error!(%error, "a snapshot cannot be taken over; going on with the one before");
        }
        done.is_ok()
    }

    /// The next snapshot; until it comes, tries to keep the last one where that has failed, and acknowledges it then.
    async fn next_snapshot(&self, subscriber: &mut Subscriber) -> Option<Arc<Snapshot>> {
        let Some(keep) = &self.keep else { return subscriber.next().await };
        loop {
            tokio::select! {
                next = subscriber.next() => return next,
                epoch = keep.again(&self.clock) => subscriber.acknowledge(epoch),
            }
        }
    }

    /// Accepts clients on `listener` until `cancel`; then returns when the requests that run have ended.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, cancel: CancellationToken) {
        accept_forever(self, listener, cancel).await;
    }

    /// What is served from now, once there is something.
    pub(crate) fn serving(&self) -> Result<Arc<Serving>, Cause> {
        let serving = self.serving.load_full();
        if serving.epoch == 0 { Err(Cause::NotReady) } else { Ok(serving) }
    }

    /// Why no request can be served, if so.
    pub(crate) fn can_serve(&self) -> Result<(), String> {
        self.serving().map_err(|cause| cause.to_string())?;
        let health = self.books.health();
        match books_fault(&health) {
            Some(fault) if health.on_full == ledger::OnFull::Refuse => Err(fault),
            _ => Ok(()),
        }
    }

    /// What is wrong behind the gateway while it goes on serving.
    pub(crate) fn degraded(&self) -> Vec<String> {
        let mut reasons = self.behind.borrow().clone();
        reasons.extend(self.keep.as_ref().and_then(Keep::fault));
        reasons.extend(books_fault(&self.books.health()));
        reasons
    }

    /// Answers one request, unless the client leaves first: then the connection ends, and everything that the request
    /// holds is dropped.
    pub(crate) async fn respond(&self, request: Request<Incoming>, peer: Peer) -> Result<Response<Body>, ClientGone> {
        tokio::select! {
            biased;
            response = self.answer(request, &peer) => Ok(response),
            () = peer.clone().gone() => Err(ClientGone),
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        let id = request_id(request.headers(), self.clock.now(), &self.rng);
        let is_head = request.method() == http::Method::HEAD;
        let mut response = self.dispatch(&id, request, peer).await.unwrap_or_else(|cause| {
            if cause.is_refusal() {
                self.metrics.rejected(cause.code());
            }
            let response = cause.rescue();
            log_refusal(&id, response.status(), &cause);
            response
        });
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", value);
        }
        if is_head {
            *response.body_mut() = Body::full("");
        }
        // Answers that came together go out together, as requests do on their way to an engine: when all their ends
        // are in the books.
        let ends = Ends(&self.books);
        tokio::task::yield_now().await;
        drop(ends);
        response
    }

    async fn dispatch(&self, id: &Arc<str>, request: Request<Incoming>, peer: &Peer) -> Result<Response<Body>, Cause> {
        match Surface::of(request.method(), request.uri().path()) {
            Surface::Model(via, api) => mediate(self, (&via, api), id, request, peer).await,
            Surface::Response(via, asked) => Box::pin(recall(self, (&via, &asked), id, request, peer)).await,
            Surface::Models(via) => {
                let serving = self.serving()?;
                let caller = enter(&serving, &via, request.headers(), &self.clock)?;
                list_models(&serving, &caller, &via)
            }
            Surface::OneModel(via, name) => {
                let serving = self.serving()?;
                let caller = enter(&serving, &via, request.headers(), &self.clock)?;
                one_model(&serving, &caller, &via, &name)
            }
            Surface::Health => {
                let serving = self.serving().ok();
                let details = serving.filter(|serving| self.master(serving, &request).is_ok());
                Ok(health(self, details.as_deref()))
            }
            Surface::Liveness => Ok(liveness()),
            Surface::Readiness => Ok(readiness(self)),
            Surface::Metrics => {
                let serving = self.serving()?;
                self.master(&serving, &request)?;
                Ok(metrics_page(self.metrics.expose(&serving, &self.books.health(), self.buffers.held())))
            }
            Surface::Management => {
                let serving = self.serving()?;
                self.master(&serving, &request)?;
                Box::pin(forward(self, &serving, request)).await
            }
            Surface::WrongMethod(right) => Err(Cause::WrongMethod(right)),
            Surface::Unknown => {
                let path = request.uri().path().chars().take(200).collect();
                Err(Cause::UnknownUrl { method: request.method().clone(), path })
            }
        }
    }

    fn master(&self, serving: &Serving, request: &Request<Incoming>) -> Result<(), Cause> {
        match authenticate(serving, request.headers(), &self.clock)? {
            Caller::Master => Ok(()),
            Caller::Key(_) | Caller::Anybody(_) => Err(Cause::MasterKeyRequired),
        }
    }
}

// === impl Ends ===

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// What clients do wrong is theirs to know, and could fill a log; what is wrong with us is not.
fn log_refusal(request_id: &str, status: StatusCode, cause: &Cause) {
    let (status, code) = (status.as_u16(), cause.code());
    if status < 500 {
        tracing::debug!(target: ACCESS_LOG, request_id, status, code, "request refused: {cause}");
    } else {
        tracing::warn!(request_id, status, code, "request failed: {cause}");
    }
}

fn books_fault(health: &ledger::Health) -> Option<String> {
    let counted = || format!("{} events wait in memory, {} were lost", health.waiting, health.lost);
    match &health.condition {
        Condition::Sound if health.waiting == 0 && health.lost == 0 => None,
        Condition::Sound => Some(format!("books: {}", counted())),
        Condition::Exhausted => Some(format!("books: the spool is full until it is drained; {}", counted())),
        Condition::Failing(fault) => Some(format!("books: they cannot be written ({fault}); {}", counted())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of what a function with these parameters gives.
    fn bytes_of<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_request_in_flight_is_small() {
        let answer = |gateway: Arc<Gateway>, request: Request<Incoming>, peer: Peer| async move {
            gateway.respond(request, peer).await
        };
        let bytes = bytes_of(answer);
        assert!(bytes <= 7 << 10, "each connection holds {bytes} bytes, which are copied with every request");
    }
}
