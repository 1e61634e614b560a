//! One connection to a replica, driven by the request that uses it.
//!
//! hyper wants a connection to be driven by a task of its own. Then every request goes through channels and four
//! changes of tasks; and a client that leaves has to be reported to that task before the engine hears of it. Here the
//! request polls its connection itself: dropping the request closes the connection, and a connection that waits in the
//! pool costs nothing.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::Segments;
use super::dial::Stream;
use super::pool::Place;

/// A connection on which at most one request runs.
#[derive(Debug)]
pub(super) struct Connection {
    sender: http1::SendRequest<Segments>,
    driver: http1::Connection<TokioIo<Stream>, Segments>,
    /// Whether the driver has ended: nothing can be sent any more.
    is_over: bool,
}

/// The body of an engine's answer as it comes in. It holds the connection, and gives it back when all is read; dropped
/// before, it closes it.
#[derive(Debug)]
pub(crate) struct Inbound {
    body: Incoming,
    connection: Option<(Box<Connection>, Place)>,
}

// === impl Connection ===

impl Connection {
    pub(super) async fn new(stream: Stream) -> hyper::Result<Self> {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, driver, is_over: false })
    }

    /// Whether a request can be sent: the last one is through, and the replica has not closed the connection.
    pub(super) fn is_ready(&mut self) -> bool {
        // Nobody waits for it; the state of the socket is known without a waker.
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.is_over && self.sender.is_ready()
    }

    /// Sends `request` and waits for the head of the answer. A request of which nothing was sent comes back in the error.
    pub(super) async fn send(
        &mut self,
        request: Request<Segments>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Segments>>> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        let (driver, is_over) = (&mut self.driver, &mut self.is_over);
        std::future::poll_fn(|cx| {
            drive(driver, is_over, cx);
            // Answers come from the driver alone, and that wakes us: without a waker here it does not wake us twice.
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, &mut self.is_over, cx);
    }
}

/// Does what can be done on the connection now.
fn drive(driver: &mut http1::Connection<TokioIo<Stream>, Segments>, is_over: &mut bool, cx: &mut Context<'_>) {
    if !*is_over {
        // Errors reach the request and the body too.
        *is_over = Pin::new(driver).poll(cx).is_ready();
    }
}

// === impl Inbound ===

impl Inbound {
    pub(super) fn new(body: Incoming, connection: Box<Connection>, place: Place) -> Self {
        let mut inbound = Self { body, connection: Some((connection, place)) };
        if inbound.body.is_end_stream() {
            inbound.give_back();
        }
        inbound
    }

    /// All is read: the connection can take the next request, if it is still good.
    fn give_back(&mut self) {
        if let Some((mut connection, place)) = self.connection.take()
            && connection.is_ready()
        {
            place.give_back(connection);
        }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if self.body.is_end_stream() {
            self.give_back();
            return Poll::Ready(None);
        }
        // Asking makes the driver want more; what it then finds is there at once.
        let mut frame = Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(Waker::noop()));
        if frame.is_pending() {
            if let Some((connection, _)) = &mut self.connection {
                connection.drive(cx);
            }
            frame = Pin::new(&mut self.body).poll_frame(cx);
        }
        if let Poll::Ready(None) = frame {
            self.give_back();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test]
    async fn a_connection_that_the_replica_closes_right_before_a_request_gives_the_request_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut connection = Connection::new(Stream::Tcp(stream)).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        assert!(connection.is_ready());

        drop(server);
        sleep(Duration::from_millis(50)).await;
        let sent = timeout(Duration::from_secs(5), connection.send(Request::new(Segments::new(Vec::new())))).await;
        let mut error = sent.expect("it does not wait for ever").unwrap_err();
        assert!(error.take_message().is_some(), "nothing of it was sent");
    }
}
