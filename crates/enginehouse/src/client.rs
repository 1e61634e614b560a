//! The admin API as the commands use it, wherever the service is: on this home, elsewhere, or not running at all.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::Globals;
use crate::home::Home;
use crate::output;

mod fault;
mod local;
mod offline;
mod remote;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use fault::{ApiFault, Unreachable};
pub(crate) use stream::Lines;

/// Bytes that one answer may have.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Entries that a page of a list has at most.
pub(crate) const PAGE: u32 = 1_000;

/// How long a command that needs a server waits for one that may be about to start.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What stays as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request ready to be sent: path and query, and a JSON body or none.
type ApiRequest = Request<http_body_util::Full<Bytes>>;

/// What comes back, while it comes.
type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, anyhow::Error>;

/// The admin API.
#[derive(Debug)]
pub(crate) struct Client {
    transport: Transport,
}

/// What a command does where nothing runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// It works on the home itself, and makes it if it is not there: it has something to put into it.
    Make,
    /// It works on the home itself; one that is not there is an error: there is nothing to show.
    Refuse,
    /// It waits a moment for a server that may be about to start, then fails: without one it makes no sense.
    Await,
}

/// What somebody has seen of a thing that they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// This state of it.
    Etag(String),
    /// That it is not there.
    Nothing,
    /// Whatever there is, it is to be replaced.
    Anything,
}

#[derive(Debug)]
enum Transport {
    /// A server that runs on this home.
    Local(local::Local),
    /// A server elsewhere.
    Remote(Box<remote::Remote>),
    /// Nothing runs on this home: its store is opened here.
    Offline(Box<offline::Offline>),
}

/// What came back, whatever carried it.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    /// Where the next page of a list is, if there is one.
    next: Option<String>,
    body: Bytes,
}

// === impl Client ===

impl Client {
    /// To the server that `--server` names, else to the one that runs on the home; where none runs, the home
    /// itself is opened, as its owner.
    pub(crate) async fn connect(globals: &Globals, absent: Absent) -> anyhow::Result<Self> {
        let transport = match &globals.server {
            Some(url) => Transport::Remote(Box::new(remote::Remote::new(url)?)),
            None => Self::on_home(&Home::resolve(globals)?, absent).await?,
        };
        Ok(Self { transport })
    }

    /// To the server that `--server` names, else to the one that runs on the home; none where none runs.
    pub(crate) async fn if_served(globals: &Globals) -> anyhow::Result<Option<Self>> {
        match &globals.server {
            Some(url) => Ok(Some(Self { transport: Transport::Remote(Box::new(remote::Remote::new(url)?)) })),
            None => Self::of_running(&Home::resolve(globals)?).await,
        }
    }

    async fn on_home(home: &Home, absent: Absent) -> anyhow::Result<Transport> {
        let local = local::Local::new(home.control_socket());
        if local.is_served().await? {
            return Ok(Transport::Local(local));
        }
        let path = home.path().display();
        match absent {
            Absent::Await => {
                output::note("Nothing runs on this home yet: waiting for a server ...");
                if local.comes_up(ANSWERS_WITHIN).await? {
                    return Ok(Transport::Local(local));
                }
                anyhow::bail!(
                    "nothing runs on the home {path}, so nothing can become ready; nothing was written: start \
                     `enginehouse serve` first, or leave out --wait and --atomic to commit for the next start"
                )
            }
            Absent::Refuse if !home.exists() => {
                anyhow::bail!("there is no home at {path}: start with `enginehouse serve`, or name another with --home")
            }
            Absent::Make | Absent::Refuse => {}
        }
        match offline::Offline::open(home, &local).await? {
            Some(offline) => Ok(Transport::Offline(Box::new(offline))),
            None => Ok(Transport::Local(local)),
        }
    }

    /// To the server that runs on `home`, if one does; the home itself is left alone.
    pub(crate) async fn of_running(home: &Home) -> anyhow::Result<Option<Self>> {
        let local = local::Local::new(home.control_socket());
        Ok(local.is_served().await?.then_some(Self { transport: Transport::Local(local) }))
    }

    /// Whether nothing runs: changes are committed, but take effect only when a server starts.
    pub(crate) fn is_offline(&self) -> bool {
        matches!(self.transport, Transport::Offline(_))
    }

    /// Says goodbye. Without it, an offline home is closed all the same, but less orderly.
    pub(crate) async fn close(self) {
        if let Transport::Offline(offline) = self.transport {
            offline.close().await;
        }
    }

    /// Gets `path`.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// Gets `path`, which is no JSON.
    pub(crate) async fn text(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.answer(Method::GET, path, None, None).await?;
        if !answer.status.is_success() {
            return Err(ApiFault::from_answer(answer.status, &answer.body).into());
        }
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Gets what `path` tells line by line, for as long as it does.
    pub(crate) async fn lines(&self, path: &str) -> anyhow::Result<Lines> {
        let request = Request::get(path).header(header::ACCEPT, "text/event-stream");
        let response = self.send(request.body(http_body_util::Full::default())?).await?;
        if !response.status().is_success() {
            let answer = Answer::read(response).await?;
            return Err(ApiFault::from_answer(answer.status, &answer.body).into());
        }
        Ok(Lines::of(response.into_body()))
    }

    /// Gets the list at `path`, whole: page by page.
    pub(crate) async fn list(&self, path: &str) -> anyhow::Result<Value> {
        self.list_some(path, usize::MAX).await
    }

    /// Gets the first `most` entries of the list at `path`.
    pub(crate) async fn list_some(&self, path: &str, most: usize) -> anyhow::Result<Value> {
        let mut items = Vec::new();
        self.pages(path, |page| {
            let Value::Array(page) = page else { anyhow::bail!("the server's answer is no list") };
            items.extend(page);
            Ok(items.len() < most)
        })
        .await?;
        items.truncate(most);
        Ok(Value::Array(items))
    }

    /// Gets what is at `path`, of which the list `field` comes in pages, with all of them.
    pub(crate) async fn whole(&self, path: &str, field: &str) -> anyhow::Result<Value> {
        let (mut whole, mut items) = (Value::Null, Vec::new());
        self.pages(path, |mut page| {
            let rows = page.get_mut(field).map(Value::take);
            let Some(Value::Array(rows)) = rows else { anyhow::bail!("the server's answer has no list `{field}`") };
            items.extend(rows);
            whole = page;
            Ok(true)
        })
        .await?;
        whole[field] = items.into();
        Ok(whole)
    }

    /// Gives `take` page after page, for as long as it wants more.
    async fn pages(&self, path: &str, mut take: impl FnMut(Value) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let mut path = path.to_owned();
        loop {
            let answer = self.answer(Method::GET, &path, None, None).await?;
            let next = answer.next.clone();
            let wants_more = take(answer.into_value()?)?;
            match next {
                Some(next) if wants_more => path = next,
                _ => return Ok(()),
            }
        }
    }

    /// Sends `body` to `path`.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(serde_json::to_vec(body)?.into())).await
    }

    /// Puts `body` in place of what is at `path`.
    pub(crate) async fn put(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        self.call(Method::PUT, path, Some(serde_json::to_vec(body)?.into())).await
    }

    /// Changes what is at `path`.
    pub(crate) async fn patch(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        self.call(Method::PATCH, path, Some(serde_json::to_vec(body)?.into())).await
    }

    /// Deletes what is at `path`.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    /// Puts `body` in place of what was seen at `path`.
    pub(crate) async fn put_seen(&self, path: &str, body: &impl Serialize, seen: &Seen) -> anyhow::Result<Value> {
        self.call_seen(Method::PUT, path, Some(serde_json::to_vec(body)?.into()), Some(seen)).await
    }

    /// Deletes what was seen at `path`.
    pub(crate) async fn delete_seen(&self, path: &str, seen: &Seen) -> anyhow::Result<Value> {
        self.call_seen(Method::DELETE, path, None, Some(seen)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Bytes>) -> anyhow::Result<Value> {
        self.answer(method, path, body, None).await?.into_value()
    }

    async fn call_seen(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        seen: Option<&Seen>,
    ) -> anyhow::Result<Value> {
        self.answer(method, path, body, seen).await?.into_value()
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        seen: Option<&Seen>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
        request = match seen {
            None => request,
            Some(Seen::Etag(etag)) => request.header(header::IF_MATCH, etag),
            Some(Seen::Anything) => request.header(header::IF_MATCH, "*"),
            Some(Seen::Nothing) => request.header(header::IF_NONE_MATCH, "*"),
        };
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(http_body_util::Full::new(body.unwrap_or_default()))?;
        Answer::read(self.send(request).await?).await
    }

    async fn send(&self, request: ApiRequest) -> anyhow::Result<Response<Body>> {
        match &self.transport {
            Transport::Local(local) => local.send(request).await,
            Transport::Remote(remote) => remote.send(request).await,
            Transport::Offline(offline) => offline.send(request).await,
        }
    }
}

// === impl Answer ===

impl Answer {
    async fn read(response: Response<Body>) -> anyhow::Result<Self> {
        let (status, next) = (response.status(), next_page(response.headers()));
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes();
        Ok(Self { status, next, body })
    }

    fn into_value(self) -> anyhow::Result<Value> {
        if !self.status.is_success() {
            return Err(ApiFault::from_answer(self.status, &self.body).into());
        }
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        let parsed = serde_json::from_slice(&self.body);
        parsed.map_err(|e| anyhow::anyhow!("the answer is not JSON ({e}): is this the admin port of Enginehouse?"))
    }
}

/// Path and query of the next page, from the header `link`.
fn next_page(headers: &http::HeaderMap) -> Option<String> {
    let link = headers.get(header::LINK)?.to_str().ok()?;
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    parameters.contains("rel=\"next\"").then(|| target.to_owned())
}

/// Reads the parts of an answer that a command shows.
pub(crate) fn view<T: DeserializeOwned>(answer: &Value) -> anyhow::Result<T> {
    T::deserialize(answer)
        .map_err(|e| anyhow::anyhow!("the server's answer is not understood ({e}): is it another version?"))
}

/// One segment of a path, percent-encoded; names may hold `/`.
pub(crate) fn segment(name: &str) -> impl std::fmt::Display {
    utf8_percent_encode(name, SEGMENT)
}

/// A query string from pairs, with its `?`; empty for none.
pub(crate) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let text = query.extend_pairs(pairs).finish();
    if text.is_empty() { text } else { format!("?{text}") }
}
