//! A crowd of clients, each with one stream.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock;
use crate::events::Events;
use crate::report::{Report, Spread};

/// A crowd.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to ask.
    #[arg(long)]
    address: SocketAddr,
    /// What to present.
    #[arg(long)]
    key: String,
    /// Streams at once.
    #[arg(long)]
    streams: u32,
    /// Time over which the streams begin, in milliseconds, so that their chunks do not come all at once.
    #[arg(long, default_value_t = 1_000)]
    over_ms: u64,
    /// Time after which a stream that stands still has failed, in seconds.
    #[arg(long, default_value_t = 30)]
    patience: u64,
}

/// Bytes of the prompt.
const PROMPT: usize = 2_048;

/// A chunk that took longer, in microseconds, was stalled.
const STALL: u32 = 50_000;

/// What one client has seen.
#[derive(Default)]
struct Seen {
    first: Option<u32>,
    way: Vec<u32>,
}

/// Runs a crowd and prints its report.
#[expect(clippy::print_stdout, reason = "the report is what it is for")]
pub(crate) async fn run(args: Args) -> io::Result<()> {
    let request = request(&args);
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..args.streams {
        let at = began + Duration::from_millis(args.over_ms * u64::from(number) / u64::from(args.streams));
        let (request, address, patience) = (request.clone(), args.address, Duration::from_secs(args.patience));
        clients.spawn(async move {
            sleep_until(at).await;
            stream(address, &request, patience).await
        });
    }
    let (mut firsts, mut ways, mut failed, mut fault) = (Vec::new(), Vec::new(), 0, None);
    while let Some(client) = clients.join_next().await {
        match client.map_err(io::Error::other)? {
            Ok(seen) => {
                firsts.extend(seen.first);
                ways.extend(seen.way);
            }
            Err(error) => {
                failed += 1;
                fault = Some(error.to_string());
            }
        }
    }
    let report = Report {
        streams: args.streams as usize,
        failed,
        fault,
        chunks: ways.len(),
        seconds: began.elapsed().as_secs_f64(),
        stalls: ways.iter().filter(|micros| **micros > STALL).count(),
        first: Spread::of(firsts),
        way: Spread::of(ways),
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn request(args: &Args) -> Vec<u8> {
    let prompt = "x".repeat(PROMPT);
    let body = format!(
        r#"{{"model":"bench","stream":true,"max_tokens":100,"messages":[{{"role":"user","content":"{prompt}"}}]}}"#
    );
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        args.address,
        args.key,
        body.len()
    )
    .into_bytes()
}

/// One stream from its request to its end.
async fn stream(address: SocketAddr, request: &[u8], patience: Duration) -> io::Result<Seen> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut events, mut seen, mut buffer) = (Events::default(), Seen::default(), vec![0; 4 << 10]);
    let asked = clock::now();
    stream.write_all(request).await?;
    let mut is_answered = false;
    while !events.is_done {
        let length = timeout(patience, stream.read(&mut buffer)).await??;
        let now = clock::now();
        let bytes = &buffer[..length];
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the stream was cut"));
        }
        if !std::mem::replace(&mut is_answered, true) && !bytes.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other(String::from_utf8_lossy(bytes).into_owned()));
        }
        events.push(bytes, |sent| {
            seen.first.get_or_insert(micros(now - asked));
            seen.way.push(micros(now.saturating_sub(sent)));
        });
    }
    if events.is_odd { Err(io::Error::other("the stream was garbled")) } else { Ok(seen) }
}

fn micros(nanos: u64) -> u32 {
    u32::try_from(nanos / 1_000).unwrap_or(u32::MAX)
}
