//! A running simulator and a client that sees every byte.

use std::net::SocketAddr;
use std::time::Duration;

use engine_sim::{Args, serve};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest a single exchange may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Sim {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

/// What came back, as far as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the message ended as its framing says.
    pub(crate) complete: bool,
}

impl Sim {
    pub(crate) async fn start(args: Args) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let wait = async move {
                let _ = stopped.await;
            };
            serve(args, listener, wait).await.unwrap();
        });
        Self { address, stop: Some(stop), task: Some(task) }
    }

    /// Tells the server to stop.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the server has stopped.
    pub(crate) async fn stopped(mut self) {
        self.stop();
        tokio::time::timeout(PATIENCE, self.task.take().unwrap()).await.unwrap().unwrap();
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], body.as_bytes()).await
    }

    pub(crate) async fn post_with(&self, path: &str, body: &str, header: (&str, &str)) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json"), header], body.as_bytes()).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(&request(method, path, headers, body)).await.unwrap();
        read(&mut stream).await
    }

    pub(crate) async fn state(&self) -> Value {
        self.get("/sim/state").await.json()
    }

    /// Waits until the books hold `count` cancelled requests and none that runs.
    pub(crate) async fn until_cancelled(&self, count: u64) -> Duration {
        let start = tokio::time::Instant::now();
        while start.elapsed() < PATIENCE {
            let state = self.state().await;
            if state["cancelled"] == count && state["running"] == 0 {
                return start.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("never {count} cancelled: {}", self.state().await);
    }

    pub(crate) async fn metric(&self, line_start: &str) -> f64 {
        let page = self.get("/metrics").await.text();
        let line = page.lines().find(|line| line.starts_with(line_start)).unwrap_or_else(|| panic!("no {line_start}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The `data:` lines of an event stream.
    pub(crate) fn data(&self) -> Vec<String> {
        self.text().lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
    }

    /// The JSON events of a stream, without `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.data();
        let json = data.iter().filter(|data| *data != "[DONE]");
        json.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Reads an answer until the connection ends; if its start was read before, all is in the body as it came.
pub(crate) async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    let _cut_or_ended = tokio::time::timeout(PATIENCE, reading).await.expect("an answer in time");
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = head_end.filter(|_| bytes.starts_with(b"HTTP/1.1 ")) else {
        return Answer { status: 0, head: String::new(), body: bytes.to_vec(), complete: false };
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let rest = &bytes[end + 4..];
    let lower = head.to_lowercase();
    let (body, complete) = if lower.contains("transfer-encoding: chunked") {
        dechunk(rest)
    } else {
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        (rest.to_vec(), length == Some(rest.len()))
    };
    Answer { status, head, body, complete }
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let chunk = &rest[end + 2..];
        if chunk.len() < size + 2 {
            body.extend_from_slice(&chunk[..size.min(chunk.len())]);
            return (body, false);
        }
        body.extend_from_slice(&chunk[..size]);
        rest = &chunk[size + 2..];
    }
    (body, false)
}
