use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use tokio::time::{Instant, Sleep};

use super::Account;
use super::content::Content;
use super::rewrite::Rewrite;
use crate::cache::Recorder;
use crate::edge::{BoxError, Peer};
use crate::rescue::Cause;
use crate::responses::Keeper;
use crate::route::{Busy, Patience, ReplicaState};
use crate::serving::ModelState;
use crate::surface::Events;
use crate::upstream::{Fault, Inbound};

/// An engine's stream on its way to the client: frame by frame, settled before its last byte goes out.
///
/// It is polled by the client's connection and owns the engine's, so a client that goes away drops both.
pub(crate) struct Relay {
    /// The first bytes, which came before the client was answered.
    first: Option<Bytes>,
    rest: Inbound,
    content: Content,
    account: Account,
    watch: Watch,
    source: Source,
    /// Ends when the client does.
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_ended: bool,
    /// Takes it down for the response cache.
    recorder: Option<Recorder>,
    /// Remembers the response that it brings.
    keeper: Option<Keeper>,
}

/// Where a stream comes from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) model: Arc<ModelState>,
    pub(crate) deployment: Arc<str>,
    pub(crate) replica: Arc<ReplicaState>,
    /// Counts the request on the replica as long as the stream lives.
    pub(crate) _busy: Busy,
    pub(crate) patience: Patience,
    /// Who it goes to.
    pub(crate) peer: Peer,
}

/// Watches over the time of a stream. The timer is set anew only when it fires, not at every frame.
#[derive(Debug)]
struct Watch {
    timer: Pin<Box<Sleep>>,
    between: Duration,
    last: Instant,
    total: Duration,
    ends: Instant,
}

// === impl Relay ===

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay({})", self.source.deployment)
    }
}

impl Relay {
    /// Relays the events in `first` and then `rest`. `upstream_model` is the engine's name for the model.
    pub(crate) fn events(
        bytes: (Bytes, Inbound),
        source: Source,
        upstream_model: &str,
        (events, hides_usage): (Events, bool),
        account: Account,
        bounds: (Duration, Duration),
    ) -> Self {
        let public = &*source.model.model.name;
        let rewrite = Rewrite::new(events, (public != upstream_model).then_some(public), hides_usage);
        Self::new(bytes, source, Content::Events(Box::new(rewrite)), account, bounds)
    }

    /// Relays `first` and then `rest` unread.
    pub(crate) fn opaque(
        bytes: (Bytes, Inbound),
        source: Source,
        is_text: bool,
        account: Account,
        bounds: (Duration, Duration),
    ) -> Self {
        Self::new(bytes, source, Content::Opaque { is_text }, account, bounds)
    }

    fn new(
        (first, rest): (Bytes, Inbound),
        source: Source,
        content: Content,
        account: Account,
        (between, total): (Duration, Duration),
    ) -> Self {
        let watch = Watch::new(between, total);
        source.peer.set_deadline(Some(watch.ends));
        let gone = Box::pin(source.peer.clone().gone());
        Self {
            gone,
            first: Some(first),
            rest,
            content,
            account,
            watch,
            source,
            is_ended: false,
            recorder: None,
            keeper: None,
        }
    }

    /// Takes the stream down while it passes.
    pub(crate) fn record(&mut self, recorder: Option<Recorder>) {
        self.recorder = recorder;
    }

    /// Remembers the response that it brings, once its id is there.
    pub(crate) fn keep(&mut self, keeper: Option<Keeper>) {
        self.keeper = keeper;
    }

    /// Bytes that will come, where nothing can change them and the engine has said how many.
    pub(crate) fn length(&self) -> Option<u64> {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        let rest = self.rest.size_hint().exact().filter(|_| matches!(self.content, Content::Opaque { .. }));
        rest.map(|rest| first + rest)
    }

    /// The next bytes for the client; none at the end, an error where the connection has to break.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            if self.is_ended {
                return Poll::Ready(None);
            }
            let frame = match self.next_frame(cx) {
                Poll::Pending if self.gone.as_mut().poll(cx).is_ready() => {
                    // Nobody is left to be told; dropping the account books it.
                    self.is_ended = true;
                    return Poll::Ready(None);
                }
                Poll::Pending => match self.watch.poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(fault) => return Poll::Ready(Some(self.break_off(fault))),
                },
                Poll::Ready(frame) => frame,
            };
            let bytes = match frame {
                Some(Ok(data)) => Ok(self.pass(&data)),
                Some(Err(())) => self.cut(),
                None => self.end(),
            };
            if bytes.as_ref().map_or(true, |bytes| !bytes.is_empty()) {
                return Poll::Ready(Some(bytes));
            }
        }
    }

    fn next_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let polled = Pin::new(&mut self.rest).poll_frame(cx);
        polled.map(|frame| Some(frame?.map(|frame| frame.into_data().unwrap_or_default()).map_err(|_| ())))
    }

    fn pass(&mut self, data: &Bytes) -> Bytes {
        self.watch.saw_bytes();
        let passed = self.content.push(data);
        self.account.relayed(passed.bytes.len(), passed.tokens);
        self.take_down(&passed.bytes);
        if let Some(id) = self.keeper.as_ref().and_then(|_| self.content.response_id())
            && let Some(mut keeper) = self.keeper.take()
        {
            keeper.keep(&id);
        }
        if self.content.is_done() || self.is_at_its_end() {
            // Before the client can know that the answer is complete.
            self.settle();
        }
        passed.bytes
    }

    /// Whether the last bytes of an answer came whose length the client knows.
    fn is_at_its_end(&self) -> bool {
        matches!(self.content, Content::Opaque { .. }) && self.rest.is_end_stream()
    }

    /// The engine ended the stream in good order.
    fn end(&mut self) -> Result<Bytes, BoxError> {
        let Some(rest) = self.content.finish() else { return self.break_off(Fault::Cut) };
        self.settle();
        self.is_ended = true;
        self.take_down(&rest);
        self.finish_recording();
        Ok(rest)
    }

    /// The engine's connection broke. After the answer's end nothing is missing.
    fn cut(&mut self) -> Result<Bytes, BoxError> {
        if self.content.is_done() {
            self.is_ended = true;
            self.finish_recording();
            return Ok(Bytes::new());
        }
        self.break_off(Fault::Cut)
    }

    fn take_down(&mut self, bytes: &Bytes) {
        if let Some(recorder) = &mut self.recorder {
            recorder.push(bytes);
        }
    }

    /// The whole stream has passed: it may be given again, unless it told of an error.
    fn finish_recording(&mut self) {
        if let Some(recorder) = self.recorder.take().filter(|_| !self.content.has_error()) {
            recorder.finish();
        }
    }

    fn settle(&mut self) {
        if self.account.is_settled() {
            return;
        }
        if self.content.has_error() {
            self.source.failed();
            self.account.broke_off(self.content.report(), Fault::ErrorEvent { message: None }.as_str());
        } else {
            self.source.replica.succeeded();
            self.account.completed(self.content.report());
        }
    }

    /// Ends the stream with an event that SDKs raise as an error; an answer that has no events, by breaking the
    /// connection, so that nobody takes it for whole.
    fn break_off(&mut self, fault: Fault) -> Result<Bytes, BoxError> {
        tracing::warn!(
            model_name = %self.source.model.model.name,
            deployment = %self.source.deployment,
            "a stream from deployment `{}` broke off: it {fault}",
            self.source.deployment
        );
        if !matches!(fault, Fault::Total(_)) {
            self.source.failed();
        }
        self.account.broke_off(self.content.report(), fault.as_str());
        self.is_ended = true;
        let model = self.source.model.model.name.clone();
        let cause = Cause::Upstream { model, deployment: self.source.deployment.clone(), fault };
        self.content.last_words(&cause.to_event()).ok_or_else(|| cause.into())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.source.peer.set_deadline(None);
    }
}

// === impl Source ===

impl Source {
    fn failed(&self) {
        self.replica.failed(self.patience, Instant::now());
    }
}

// === impl Watch ===

impl Watch {
    fn new(between: Duration, total: Duration) -> Self {
        let last = Instant::now();
        let timer = Box::pin(tokio::time::sleep_until(last + between.min(total)));
        Self { timer, between, last, total, ends: last + total }
    }

    fn saw_bytes(&mut self) {
        self.last = Instant::now();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        loop {
            std::task::ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.ends {
                return Poll::Ready(Fault::Total(self.total));
            }
            if now >= self.last + self.between {
                return Poll::Ready(Fault::Stalled(self.between));
            }
            self.timer.as_mut().reset(self.ends.min(self.last + self.between));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_stands_still_or_never_ends_is_noticed() {
        let mut watch = Watch::new(Duration::from_secs(10), Duration::from_secs(25));
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(9)).await;
        watch.saw_bytes();
        assert_eq!(poll_fn(|cx| watch.poll(cx)).await, Fault::Stalled(Duration::from_secs(10)));
        assert_eq!(began.elapsed(), Duration::from_secs(19));

        watch.saw_bytes();
        assert_eq!(poll_fn(|cx| watch.poll(cx)).await, Fault::Total(Duration::from_secs(25)));
        assert_eq!(began.elapsed(), Duration::from_secs(25));
    }
}
