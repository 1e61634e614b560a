use std::time::Duration;

use bytes::Bytes;
use http::{Response, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::serve::Body;
use super::{Fault, File, Inner, Repository, Seen};

/// In pieces of so many bytes.
const PIECE: usize = 16 << 10;

/// What a request gets.
pub(super) fn answer(inner: &Inner, seen: &Seen, fault: Option<Fault>) -> Response<Body> {
    match &fault {
        Some(Fault::Status(status, headers)) => {
            let mut response = Response::builder().status(*status);
            for (name, value) in headers {
                response = response.header(*name, value);
            }
            return response.body(whole("refused")).unwrap();
        }
        Some(Fault::Redirect(to)) => {
            let to = to.replace("{self}", &seen.path);
            return Response::builder().status(302).header(header::LOCATION, to).body(whole("")).unwrap();
        }
        Some(Fault::Page) => {
            let page = Response::builder().header(header::CONTENT_TYPE, "text/html; charset=utf-8");
            return page.body(whole("<html><body>Please log in.</body></html>")).unwrap();
        }
        _ => {}
    }
    let path = seen.path.split('?').next().unwrap_or_default();
    if seen.cdn {
        return on_cdn(inner, path, seen, fault);
    }
    match path.strip_prefix("/api/models/") {
        Some(rest) => api(inner, rest, seen),
        None => resolve(inner, path, seen, fault),
    }
}

fn api(inner: &Inner, rest: &str, seen: &Seen) -> Response<Body> {
    let found = ["/revision/", "/tree/"].into_iter().find_map(|verb| Some((verb, rest.split_once(verb)?)));
    let (verb, name, revision) = match found {
        Some((verb, (name, revision))) => (verb, name, revision.replace("%2F", "/")),
        None => ("/revision/", rest, "main".to_owned()),
    };
    let repository = match open(inner, name, &revision, seen) {
        Ok(repository) => repository,
        Err(refused) => return *refused,
    };
    if verb == "/revision/" {
        let siblings: Vec<_> = repository.files.keys().map(|path| json!({ "rfilename": path })).collect();
        let mut info = json!({ "id": name, "sha": repository.commit, "siblings": siblings, "private": false });
        if let Some(pipeline) = &repository.pipeline {
            info["pipeline_tag"] = pipeline.as_str().into();
            info["tags"] = json!(["safetensors", pipeline]);
        }
        return json_answer(&info, None);
    }
    if let Some(listing) = &repository.listing {
        return json_answer(listing, None);
    }
    let from = seen.path.split("cursor=").nth(1).and_then(|from| from.parse().ok()).unwrap_or(0);
    let page = repository.files.iter().skip(from).take(repository.page);
    let entries: Vec<_> = page.map(|(path, file)| entry(path, file)).collect();
    let next = from + repository.page;
    // As the real one would say it behind a mirror: with an address of its own.
    let link = format!("<https://huggingface.example/api/models/{rest}?recursive=true&cursor={next}>; rel=\"next\"");
    json_answer(&Value::Array(entries), (next < repository.files.len()).then_some(link))
}

fn entry(path: &str, file: &File) -> Value {
    let mut entry = json!({ "type": "file", "path": path, "oid": file.oid(), "size": file.content.len() });
    if file.large {
        entry["lfs"] = json!({ "oid": file.sha256(), "size": file.content.len(), "pointerSize": 134 });
    }
    entry
}

fn resolve(inner: &Inner, path: &str, seen: &Seen, fault: Option<Fault>) -> Response<Body> {
    let Some((name, rest)) = path.trim_start_matches('/').split_once("/resolve/") else { return refusal(404, "") };
    let (revision, file_path) = rest.split_once('/').unwrap_or((rest, ""));
    let repository = match open(inner, name, revision, seen) {
        Ok(repository) => repository,
        Err(refused) => return *refused,
    };
    let Some(file) = repository.files.get(file_path) else { return refusal(404, "EntryNotFound") };
    let mut response = Response::builder();
    response = response.header("x-repo-commit", &repository.commit);
    if file.large {
        let cdn = inner.cdn.unwrap();
        return response
            .status(302)
            .header(header::LOCATION, format!("http://{cdn}/{name}/{file_path}?signature=x"))
            .header("x-linked-etag", format!("\"{}\"", file.sha256()))
            .header("x-linked-size", file.content.len())
            .body(whole(""))
            .unwrap();
    }
    response = response.header(header::ETAG, format!("\"{}\"", file.etag()));
    content(response, file, seen, fault)
}

fn on_cdn(inner: &Inner, path: &str, seen: &Seen, fault: Option<Fault>) -> Response<Body> {
    let path = path.trim_start_matches('/');
    let found = inner.repositories.iter().find_map(|(name, repository)| {
        let rest = path.strip_prefix(name.as_str())?.strip_prefix('/')?;
        repository.files.get(rest)
    });
    match found {
        Some(file) => content(Response::builder().header(header::ETAG, "\"of-the-cdn\""), file, seen, fault),
        None => refusal(404, ""),
    }
}

fn content(mut response: http::response::Builder, file: &File, seen: &Seen, fault: Option<Fault>) -> Response<Body> {
    let mut bytes = file.content.clone();
    let total = bytes.len();
    let from = seen.range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok());
    let from: usize = if matches!(fault, Some(Fault::Whole)) { 0 } else { from.unwrap_or(0) };
    if from > 0 {
        let shown = if matches!(fault, Some(Fault::OtherRange)) { from - 1 } else { from };
        response = response.status(206).header(header::CONTENT_RANGE, format!("bytes {shown}-{}/{total}", total - 1));
        bytes = bytes.slice(from.min(total)..);
    }
    match fault {
        Some(Fault::Wrong) => {
            let mut wrong = bytes.to_vec();
            if let Some(last) = wrong.last_mut() {
                *last ^= 1;
            }
            bytes = wrong.into();
        }
        Some(Fault::More) => bytes = [&bytes[..], b"and more"].concat().into(),
        _ => {}
    }
    response = response.header(header::CONTENT_TYPE, "application/octet-stream");
    // Told even where it does not come.
    response = response.header(header::CONTENT_LENGTH, bytes.len());
    response.body(stream(bytes, fault)).unwrap()
}

/// The body, in pieces, as far as the fault lets it come.
fn stream(bytes: Bytes, fault: Option<Fault>) -> Body {
    let (pieces, mut waiting) = mpsc::channel::<std::io::Result<Bytes>>(1);
    tokio::spawn(async move {
        let mut sent = 0;
        let stop = match &fault {
            Some(Fault::Cut(after) | Fault::Stall(after)) => *after,
            _ => usize::MAX,
        };
        let size = if let Some(Fault::Slow(rate)) = fault { (rate / 20).max(1) } else { PIECE };
        while sent < bytes.len() && sent < stop {
            let end = (sent + size).min(bytes.len()).min(stop);
            if pieces.send(Ok(bytes.slice(sent..end))).await.is_err() {
                return;
            }
            sent = end;
            if matches!(fault, Some(Fault::Slow(_))) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        match fault {
            Some(Fault::Cut(_)) => {
                let _ = pieces.send(Err(std::io::Error::other("cut"))).await;
            }
            Some(Fault::Stall(_)) => pieces.closed().await,
            _ => {}
        }
    });
    let frames = futures_util::stream::poll_fn(move |context| {
        waiting.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    });
    StreamBody::new(frames).boxed()
}

fn open<'a>(inner: &'a Inner, name: &str, revision: &str, seen: &Seen) -> Result<&'a Repository, Box<Response<Body>>> {
    // The Hub answers so to those without a token, for what is private and for what is not there alike.
    let status = if seen.authorization.is_none() { 401 } else { 404 };
    let repository = inner.repositories.get(name).ok_or_else(|| Box::new(refusal(status, "RepoNotFound")))?;
    if let Some((token, code)) = &repository.token {
        let presented = seen.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "));
        if presented != Some(token.as_str()) {
            let status = if presented.is_some() { 403 } else { 401 };
            return Err(Box::new(refusal(status, code)));
        }
    }
    if revision != repository.commit && !repository.revisions.iter().any(|known| known == revision) {
        return Err(Box::new(refusal(404, "RevisionNotFound")));
    }
    Ok(repository)
}

fn refusal(status: u16, code: &str) -> Response<Body> {
    let response = Response::builder().status(status).header("x-error-code", code).header("x-error-message", code);
    response.body(whole(json!({ "error": code }).to_string())).unwrap()
}

fn json_answer(value: &Value, link: Option<String>) -> Response<Body> {
    let mut response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    if let Some(link) = link {
        response = response.header(header::LINK, link);
    }
    response.body(whole(value.to_string())).unwrap()
}

fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}
