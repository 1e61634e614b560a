//! An engine: whatever it is asked, it answers with a stream of chunks.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

use crate::clock;

/// The pace of the engine.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Args {
    /// Port on the loopback address.
    #[arg(long)]
    port: u16,
    /// Chunks of one answer.
    #[arg(long, default_value_t = 100)]
    chunks: u32,
    /// Milliseconds between two chunks.
    #[arg(long, default_value_t = 100)]
    every_ms: u64,
}

/// Waiting connections that the kernel may hold: a crowd comes at once.
const BACKLOG: u32 = 8_192;

/// Bytes of a request's head at most.
const MAX_HEAD: usize = 64 << 10;

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

/// A chunk on either side of the time at which it is sent, as vLLM writes them.
const BEFORE: &str = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":"#;
const AFTER: &str =
    r#","model":"bench","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}"#;

/// What ends an answer.
const FINISH: &str = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"bench\",\
     \"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"bench\",\"choices\":[],\
     \"usage\":{\"prompt_tokens\":20,\"total_tokens\":120,\"completion_tokens\":100}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// Serves for ever.
pub(crate) async fn run(args: Args) -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], args.port).into())?;
    let listener: TcpListener = socket.listen(BACKLOG)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A client that leaves is no fault of ours.
        tokio::spawn(async move { drop(serve(stream, args).await) });
    }
}

/// Answers the requests of one connection.
async fn serve(mut stream: TcpStream, args: Args) -> io::Result<()> {
    let mut read = BytesMut::with_capacity(16 << 10);
    while let Some(wants_usage) = request(&mut stream, &mut read).await? {
        answer(&mut stream, args, wants_usage).await?;
    }
    Ok(())
}

/// Takes one request; whether it wants usage, or none at the end of the connection.
async fn request(stream: &mut TcpStream, read: &mut BytesMut) -> io::Result<Option<bool>> {
    let head = loop {
        if let Some(end) = memmem::find(read, b"\r\n\r\n") {
            break end + 4;
        }
        if read.len() > MAX_HEAD || stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    };
    let length = content_length(&read[..head]);
    while read.len() < head + length {
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
    let request = read.split_to(head + length);
    Ok(Some(memmem::find(&request[head..], b"\"include_usage\":true").is_some()))
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

async fn answer(stream: &mut TcpStream, args: Args, wants_usage: bool) -> io::Result<()> {
    let mut due = Instant::now();
    stream.write_all(&[HEAD, framed(&chunk()).as_bytes()].concat()).await?;
    for _ in 1..args.chunks {
        due += Duration::from_millis(args.every_ms);
        sleep_until(due).await;
        stream.write_all(framed(&chunk()).as_bytes()).await?;
    }
    let usage = if wants_usage { framed(USAGE) } else { String::new() };
    stream.write_all(format!("{}{usage}{}0\r\n\r\n", framed(FINISH), framed(DONE)).as_bytes()).await
}

/// A chunk that is sent now.
fn chunk() -> String {
    format!("{BEFORE}{}{AFTER}\n\n", clock::now())
}

/// An event as HTTP's chunked coding has it.
fn framed(event: &str) -> String {
    format!("{:x}\r\n{event}\r\n", event.len())
}
