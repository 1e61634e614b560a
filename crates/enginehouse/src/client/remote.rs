use bytes::Bytes;
use http::{HeaderValue, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use url::Url;

use super::{ApiRequest, Body, Unreachable};
use crate::exit::UsageError;
use crate::secret_env;

/// A server elsewhere, by the address of its admin port and a token or the master key.
#[derive(Debug)]
pub(super) struct Remote {
    base: String,
    authorization: Option<HeaderValue>,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

// === impl Remote ===

impl Remote {
    /// `url` may have a path in front of `/api`; the token comes from the environment.
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        let base = base_of(url)?;
        let authorization = match secret_env::read("ENGINEHOUSE_TOKEN")? {
            None => None,
            Some(token) => Some(bearer(token.expose())?),
        };
        Ok(Self { base, authorization, http: Client::builder(TokioExecutor::new()).build(connector()?) })
    }

    pub(super) async fn send(&self, mut request: ApiRequest) -> anyhow::Result<Response<Body>> {
        let target: Uri = format!("{}{}", self.base, request.uri()).parse()?;
        *request.uri_mut() = target;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        let response = self.http.request(request).await.map_err(|e| self.unreachable(&e))?;
        Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> Unreachable {
        let mut why = error.to_string();
        let mut cause = error.source();
        while let Some(deeper) = cause {
            why = deeper.to_string();
            cause = deeper.source();
        }
        Unreachable {
            what: self.base.clone(),
            why,
            advice: "; --server takes the address of the admin port".to_owned(),
        }
    }
}

fn base_of(text: &str) -> Result<String, UsageError> {
    let fault = |why: &str| UsageError(format!("--server {text}: {why}"));
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
    let url = match Url::parse(text) {
        Ok(url) if is_web(&url) => url,
        // `gpu1:7860`, which reads as a scheme, or `10.0.0.7:7860`, which reads as nothing.
        _ if !text.contains("://") && Url::parse(&format!("http://{text}")).is_ok() => {
            return Err(fault(&format!("write it with its scheme: http://{text}")));
        }
        Ok(_) => return Err(fault("write it as http://HOST:PORT or https://HOST")),
        Err(error) => return Err(fault(&error.to_string())),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault("a secret in an address shows in process lists; use ENGINEHOUSE_TOKEN"));
    }
    let origin = url.origin().ascii_serialization();
    Ok(origin + url.path().trim_end_matches('/'))
}

fn bearer(token: &str) -> Result<HeaderValue, UsageError> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value
        .map_err(|_| UsageError("ENGINEHOUSE_TOKEN holds characters that neither tokens nor keys have".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn connector() -> anyhow::Result<HttpsConnector<HttpConnector>> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_webpki_roots().with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_or_without_path_and_never_with_a_secret() {
        assert_eq!(base_of("http://gpu1:7860").unwrap(), "http://gpu1:7860");
        assert_eq!(base_of("https://llm.example.com/admin/").unwrap(), "https://llm.example.com/admin");
        for bare in ["gpu1:7860", "10.0.0.7:7860", "localhost"] {
            let told = base_of(bare).unwrap_err().to_string();
            assert_eq!(told, format!("--server {bare}: write it with its scheme: http://{bare}"));
        }
        assert!(base_of("unix:///x").is_err());
        assert!(base_of("http://user:sk-x@gpu1").unwrap_err().to_string().contains("ENGINEHOUSE_TOKEN"));
    }

    #[test]
    fn a_token_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", bearer("sk-x").unwrap()), "Sensitive");
        assert!(bearer("sk\nx").is_err());
    }
}
