use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ambient::Timestamp;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use snapshot::Secret;
use spec::ModelType;
use store::{LoggedEvent, LogsFilter};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::keys::{KeyError, KeyFields, Seen};
use crate::stopped::IntentError;
use crate::{Actor, Manager};

mod answer;
mod request;

use request::{Question, question};

/// How long the answer may take: pictures are slow.
const ANSWERS_WITHIN: Duration = Duration::from_secs(300);
/// How long the line in the books is waited for; it is there within a second unless the machine or the store is busy.
const BOOKED_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(100);
/// After which the key is good for nothing, should it not be deleted.
const KEY_LASTS: Duration = Duration::from_secs(900);
/// Bytes of an answer.
const MOST: usize = 64 << 20;

/// One real request, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) model: String,
    pub(crate) model_type: ModelType,
    /// Path that was asked.
    pub(crate) path: &'static str,
    /// None where nobody answered.
    pub(crate) status: Option<StatusCode>,
    pub(crate) latency: Duration,
    /// What was answered, in short; of a refusal its message.
    pub(crate) answer: String,
    pub(crate) request_id: Option<String>,
    /// Which replica answered, if any did.
    pub(crate) replica: Option<String>,
    /// Its line in the books, if it is there yet.
    pub(crate) booked: Option<LoggedEvent>,
}

/// A model cannot be tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrialError {
    #[error(transparent)]
    Unknown(#[from] IntentError),
    #[error("no key for the request can be made: {0}")]
    Key(#[from] KeyError),
}

// === impl Manager ===

impl Manager {
    /// Sends a model a real request of its type through the client port, as a client would: with a key that is made for it
    /// and gone afterwards.
    pub(crate) async fn try_model(&self, name: &str, actor: &Actor) -> Result<Trial, TrialError> {
        let current = self.current();
        let model = current.document.models.iter().find(|model| model.name == name);
        let model_type = model.ok_or_else(|| self.unknown_model(name))?.model_type;
        let now = self.config().clock.now();
        let fields = KeyFields {
            models: vec![name.to_owned()],
            expires_at: Some(now.plus(KEY_LASTS)),
            metadata: [("purpose".to_owned(), "model test".into())].into_iter().collect(),
            ..KeyFields::default()
        };
        let issued = self.create_key(fields, None, actor).await?;
        let asked = self.ask(name, model_type, &issued.secret).await;
        if let Err(error) = self.delete_key(&issued.changed.row.id, &Seen::Whatever, actor).await {
            tracing::warn!(key = issued.changed.row.id, %error, "the key of a trial stays until it expires");
        }
        let booked = self.booked(asked.request_id.as_deref(), now).await;
        Ok(Trial { booked, ..asked })
    }

    async fn ask(&self, name: &str, model_type: ModelType, key: &Secret) -> Trial {
        let question = question(name, model_type);
        let (address, path, began) = (reachable(self.config().addresses.client), question.path, Instant::now());
        let answered = self.closing().run_until_cancelled(timeout(ANSWERS_WITHIN, send(address, question, key))).await;
        let answered = match answered {
            Some(Ok(answered)) => answered,
            Some(Err(_)) => Err(format!("no answer within {} s", ANSWERS_WITHIN.as_secs())),
            None => Err("the service ends".to_owned()),
        };
        let latency = began.elapsed();
        let (status, answer, request_id, replica) = match &answered {
            Ok((response, body)) => {
                let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
                let said = answer::in_short(model_type, response, body);
                (Some(response.status()), said, header("x-request-id"), header("x-enginehouse-replica"))
            }
            Err(why) => {
                let said = format!("the client port {address} cannot be asked: {why}; does the gateway run?");
                (None, said, None, None)
            }
        };
        Trial { model: name.to_owned(), model_type, path, status, latency, answer, request_id, replica, booked: None }
    }

    /// The request's line, once the books are drained that far.
    async fn booked(&self, request_id: Option<&str>, from: Timestamp) -> Option<LoggedEvent> {
        let filter = LogsFilter {
            request_id: Some(request_id?.to_owned()),
            from: Some(from),
            limit: 1,
            ..LogsFilter::default()
        };
        let give_up = Instant::now() + BOOKED_WITHIN;
        while Instant::now() < give_up && !self.closing().is_cancelled() {
            if let Some(event) = self.store().events().logs(&filter).await.ok()?.pop() {
                return Some(event);
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }
}

async fn send(address: SocketAddr, question: Question, key: &Secret) -> Result<(Response<()>, Bytes), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let stream = TcpStream::connect(address).await.map_err(|error| text(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
    let request = http::Request::post(question.path)
        .header(http::header::HOST, address.to_string())
        .header(http::header::CONTENT_TYPE, question.content_type)
        .header(http::header::AUTHORIZATION, format!("Bearer {}", key.expose()))
        .body(Full::new(question.body))
        .map_err(|error| text(&error))?;
    // Driven here, so that it ends with the question. What ends it shows in the response.
    let driven = async {
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        answer = async { read(sender.send_request(request).await.map_err(|error| text(&error))?).await } => answer,
        never = driven => never,
    }
}

async fn read(response: Response<Incoming>) -> Result<(Response<()>, Bytes), String> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MOST).collect().await.map_err(|error| format!("the answer broke off: {error}"))?;
    Ok((Response::from_parts(parts, ()), body.to_bytes()))
}

/// What listens everywhere is reached here.
fn reachable(listens: SocketAddr) -> SocketAddr {
    match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, listens.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, listens.port()).into(),
        _ => listens,
    }
}

// === impl Trial ===

impl Trial {
    /// Whether the model answered.
    pub(crate) fn is_well(&self) -> bool {
        self.status.is_some_and(|status| status.is_success())
    }

    /// Tokens of prompt and answer, where the books have them.
    pub(crate) fn usage(&self) -> serde_json::Value {
        self.booked.as_ref().map_or(serde_json::Value::Null, |event| {
            json!({ "prompt_tokens": event.usage.prompt_tokens, "completion_tokens": event.usage.completion_tokens })
        })
    }
}
