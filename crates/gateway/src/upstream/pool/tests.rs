use std::net::SocketAddr;

use http_body_util::BodyExt as _;
use snapshot::Address;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A replica's listener and a pool to it.
async fn replica() -> (TcpListener, Arc<Pool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Http(listener.local_addr().unwrap().to_string());
    (listener, Pool::new(Dial::new(address, Duration::from_secs(5))))
}

fn request() -> Box<Request<Segments>> {
    let mut request = Box::new(Request::new(Segments::new(vec!["{}".into()])));
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert("host", http::HeaderValue::from_static("replica"));
    request
}

/// Sends a request and reads its answer.
async fn ask(pool: &Arc<Pool>) -> Result<String, Fault> {
    let body = pool.send(request()).await?.into_body();
    let bytes = body.collect().await.map_err(|_| Fault::Reset)?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// Takes one request from the connection and answers it.
async fn answer(stream: &mut TcpStream, with: &[u8]) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"{}") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "the request ends");
    }
    stream.write_all(with).await.unwrap();
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    listener.accept().await.unwrap()
}

#[tokio::test]
async fn a_connection_is_used_again_once_its_answer_is_read() {
    let (listener, pool) = replica().await;
    let serve = async {
        let (mut stream, _) = accept(&listener).await;
        for _ in 0..3 {
            answer(&mut stream, OK).await;
        }
    };
    let ask_thrice = async {
        for _ in 0..3 {
            assert_eq!(ask(&pool).await.unwrap(), "ok");
        }
    };
    tokio::join!(serve, ask_thrice);
}

#[tokio::test]
async fn requests_at_once_have_a_connection_each() {
    let (listener, pool) = replica().await;
    let serve = async {
        let (mut one, _) = accept(&listener).await;
        let (mut other, _) = accept(&listener).await;
        answer(&mut other, OK).await;
        answer(&mut one, OK).await;
    };
    let ((), one, other) = tokio::join!(serve, ask(&pool), ask(&pool));
    assert_eq!((one.unwrap(), other.unwrap()), ("ok".to_owned(), "ok".to_owned()));
}

#[tokio::test]
async fn an_answer_that_is_dropped_half_read_closes_its_connection() {
    let (listener, pool) = replica().await;
    let serve = async {
        let (mut stream, _) = accept(&listener).await;
        answer(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0, "closed");
        let (mut stream, _) = accept(&listener).await;
        answer(&mut stream, OK).await;
    };
    let leave = async {
        let mut body = pool.send(request()).await.unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
        drop(body);
        assert_eq!(ask(&pool).await.unwrap(), "ok");
    };
    tokio::join!(serve, leave);
}

#[tokio::test]
async fn a_connection_that_the_replica_closed_is_not_used_again() {
    let (listener, pool) = replica().await;
    let serve = async {
        for _ in 0..2 {
            let (mut stream, _) = accept(&listener).await;
            answer(&mut stream, OK).await;
        }
    };
    let ask_twice = async {
        assert_eq!(ask(&pool).await.unwrap(), "ok");
        // Until the close has arrived here.
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(ask(&pool).await.unwrap(), "ok");
    };
    tokio::join!(serve, ask_twice);
}

#[tokio::test]
async fn connections_that_wait_too_long_are_closed() {
    let (listener, pool) = replica().await;
    let serve = async {
        let (mut stream, _) = accept(&listener).await;
        answer(&mut stream, OK).await;
        tokio::time::pause();
        let began = Instant::now();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0, "closed");
        assert!(began.elapsed() + Duration::from_secs(1) >= IDLE, "{:?}", began.elapsed());
    };
    let ((), answered) = tokio::join!(serve, ask(&pool));
    assert_eq!(answered.unwrap(), "ok");
    assert!(!pool.idle.lock().is_kept, "nobody looks after none");
}

#[tokio::test]
async fn a_replica_that_nobody_listens_for_cannot_be_reached() {
    let (listener, pool) = replica().await;
    drop(listener);
    assert!(matches!(ask(&pool).await, Err(Fault::Connect(_))));
}
