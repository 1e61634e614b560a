use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};
use wire::FormReader;

use crate::demand::Audio;
use crate::edge::{BODY_IDLE, BODY_TOTAL, BodyFault};
use crate::load::FormFault;

/// The part of a form that goes from client to engine as it comes. It can be sent once.
#[derive(Clone, Debug)]
pub(crate) struct Upload(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    body: Incoming,
    reader: FormReader,
    /// Bytes that came, with those before.
    bytes: u64,
    most: u64,
    /// When all of it must be there.
    ends: Instant,
    /// Ends when the client takes too long for its next bytes.
    idle: Pin<Box<Sleep>>,
    /// Whether the client is waited for.
    is_waiting: bool,
    has_begun: bool,
    is_over: bool,
    /// When the engine took the last bytes.
    taken: Instant,
    fault: Option<FormFault>,
    audio: Arc<Audio>,
}

/// The client's part of a request broke: the engine must not take what it has for all.
#[derive(Debug, thiserror::Error)]
#[error("the client's upload broke")]
pub(crate) struct Broken;

// === impl Upload ===

impl Upload {
    /// The rest of `body`, of which `reader` has read `bytes`; `most` in all, by `ends`.
    pub(crate) fn new(
        body: Incoming,
        reader: FormReader,
        bytes: u64,
        most: u64,
        ends: Instant,
        audio: Arc<Audio>,
    ) -> Self {
        let taken = Instant::now();
        let idle = Box::pin(sleep_until(taken + BODY_IDLE));
        Self(Arc::new(Mutex::new(State {
            body,
            reader,
            bytes,
            most,
            ends,
            idle,
            is_waiting: false,
            has_begun: false,
            is_over: false,
            taken,
            fault: None,
            audio,
        })))
    }

    /// Something goes to an engine now: it cannot be sent a second time.
    pub(super) fn begin(&self) {
        let mut state = self.0.lock();
        state.has_begun = true;
        state.taken = Instant::now();
    }

    /// Whether something has gone to an engine.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.lock().has_begun
    }

    /// Since when the engine, and not the client, is waited for.
    pub(crate) fn waits_since(&self) -> Instant {
        let state = self.0.lock();
        if state.is_waiting && !state.is_over { Instant::now() } else { state.taken }
    }

    /// Why it broke, if it did.
    pub(crate) fn take_fault(&self) -> Option<FormFault> {
        self.0.lock().fault.take()
    }

    /// The next bytes; none at the end.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let mut state = self.0.lock();
        if state.is_over {
            return Poll::Ready(None);
        }
        let polled = ready!(state.poll(cx));
        state.is_waiting = false;
        state.taken = Instant::now();
        state.is_over = !matches!(polled, Ok(Some(_)));
        Poll::Ready(polled.map_err(|fault| state.fault = Some(fault)).map_err(|()| Broken).transpose())
    }
}

// === impl State ===

impl State {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, FormFault>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                return self.wait(cx).map(|fault| Err(fault.into()));
            };
            let Some(frame) = frame else {
                return Poll::Ready(self.reader.finish().map(|()| None).map_err(Into::into));
            };
            if let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data()
                && !data.is_empty()
            {
                return Poll::Ready(self.take(&data).map(|()| Some(data)));
            }
        }
    }

    /// Waits for the client, as long as it may take.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<BodyFault> {
        if !self.is_waiting {
            self.is_waiting = true;
            self.idle.as_mut().reset(self.ends.min(Instant::now() + BODY_IDLE));
        }
        ready!(self.idle.as_mut().poll(cx));
        let bound = if Instant::now() < self.ends { BODY_IDLE } else { BODY_TOTAL };
        Poll::Ready(BodyFault::Slow(bound))
    }

    /// Reads what came before it goes on.
    fn take(&mut self, data: &Bytes) -> Result<(), FormFault> {
        self.bytes += data.len() as u64;
        if self.bytes > self.most {
            return Err(BodyFault::TooLarge(usize::try_from(self.most).unwrap_or(usize::MAX)).into());
        }
        if Instant::now() > self.ends {
            return Err(BodyFault::Slow(BODY_TOTAL).into());
        }
        self.reader.push(data)?;
        // Of a body whose length is known nobody asks for the end once the last bytes are there.
        if self.body.is_end_stream() {
            self.reader.finish()?;
        }
        self.audio.saw(self.reader.file_head(), self.reader.file_bytes());
        Ok(())
    }
}
