use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::{self, Client};
use crate::output::{self, money};

const QUESTION: &str = "Say hello.";
/// Settled requests reach the database within a second; a machine that is busy building may need longer.
const BOOKED_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);

/// Sends one request through the gateway, as a client would; its answer and its line in the books, for people.
pub(super) async fn serve(admin: &Client, gateway: SocketAddr, model: &str, key: &str) -> anyhow::Result<String> {
    let (request_id, answer) = ask(gateway, model, key).await?;
    let said = answer["choices"][0]["message"]["content"].as_str().context("the answer holds no text")?;
    let line = booked(admin, &request_id).await?;
    Ok(format!(
        "\nOne request, to show the books:\n\n  asked      {QUESTION}\n  answered   {}\n  ledger     {}",
        output::plain(said),
        describe(&line)
    ))
}

async fn ask(gateway: SocketAddr, model: &str, key: &str) -> anyhow::Result<(String, Value)> {
    let body = json!({"model": model, "messages": [{"role": "user", "content": QUESTION}]}).to_string();
    let request = Request::post(format!("http://{gateway}/v1/chat/completions"))
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let response = Http::builder(TokioExecutor::new()).build_http().request(request).await?;
    let (status, id) = (response.status(), response.headers().get("x-request-id").cloned());
    let body = response.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        bail!("the gateway answered {status}: {}", String::from_utf8_lossy(&body));
    }
    let id = id.context("the answer has no x-request-id")?.to_str()?.to_owned();
    Ok((id, serde_json::from_slice(&body)?))
}

/// The request's line, once the books are drained that far.
async fn booked(admin: &Client, request_id: &str) -> anyhow::Result<Value> {
    let path = format!("/spend/logs{}", client::query([("request_id", request_id.to_owned())]));
    let give_up = Instant::now() + BOOKED_WITHIN;
    loop {
        let lines = admin.get(&path).await?;
        if let Some(line) = lines.as_array().and_then(|lines| lines.first()) {
            return Ok(line.clone());
        }
        if Instant::now() > give_up {
            bail!("request {request_id} is not in the ledger after {BOOKED_WITHIN:?}");
        }
        sleep(POLL).await;
    }
}

fn describe(line: &Value) -> String {
    let count = |name: &str| line[name].as_u64().unwrap_or_default();
    format!(
        "{} prompt + {} completion tokens, cost {}, request {}",
        count("prompt_tokens"),
        count("completion_tokens"),
        money(line["spend"].as_f64().unwrap_or_default()),
        line["request_id"].as_str().unwrap_or("-"),
    )
}
