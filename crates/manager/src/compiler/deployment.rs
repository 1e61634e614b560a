use std::collections::BTreeMap;

use snapshot::{Address, Deployment, Replica, Secret, Timeouts};
use spec::{Credential, Endpoint, Engine, Model, defaults, environment_variable, environment_variables};
use url::Url;

use super::seconds;
use crate::config::Environment;
use crate::credentials::{self, Unresolved};
use crate::reconciler::places;

/// What the deployments of one model share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) model: &'a Model,
    /// Those of `routing`.
    pub(super) timeouts: &'a spec::Timeouts,
    /// Those that endpoints can name.
    pub(super) credentials: &'a [Credential],
    pub(super) ready: &'a BTreeMap<String, Address>,
    pub(super) env: &'a Environment,
}

/// A deployment cannot be used. The text never holds a value from the environment.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("the environment variable {0} is not set; the deployment is not used")]
    Unset(String),
    #[error(
        "the environment variable {0} does not hold an address (as http://127.0.0.1:8000/v1); the deployment is not used"
    )]
    Address(String),
    #[error("{0}; the deployment is not used")]
    Credential(#[from] Unresolved),
}

/// The deployment as the gateway sees it; none for an engine of which no replica is ready.
pub(super) fn compile(context: &Context<'_>, deployment: &spec::Deployment) -> Result<Option<Deployment>, Unusable> {
    if let Some(unset) = environment_variables(deployment).into_iter().find(|name| context.env.get(name).is_none()) {
        return Err(Unusable::Unset(unset.to_owned()));
    }
    // Ids are assigned before anything is stored.
    let id = deployment.id.as_deref().unwrap_or_default();
    let compiled = match (&deployment.endpoint, &deployment.engine) {
        (Some(endpoint), _) => Some(compile_endpoint(context, id, endpoint)?),
        (None, Some(engine)) => compile_engine(context, id, engine),
        (None, None) => None,
    };
    let timeouts = timeouts(&deployment.timeouts.over(context.timeouts));
    let cost = deployment.cost.map(|cost| super::price::nanos(cost.input + cost.output));
    Ok(compiled.map(|compiled| Deployment { timeouts, order: deployment.order, cost, ..compiled }))
}

fn timeouts(timeouts: &spec::Timeouts) -> Timeouts {
    Timeouts {
        connect: seconds(timeouts.connect),
        first_byte: seconds(timeouts.first_byte),
        between_bytes: seconds(timeouts.between_bytes),
        total: seconds(timeouts.total),
    }
}

fn compile_endpoint(context: &Context<'_>, id: &str, endpoint: &Endpoint) -> Result<Deployment, Unusable> {
    let resolve = |text: &str| resolve(context.env, text);
    let (address, base_path) = address(&resolve(&endpoint.url))
        .ok_or_else(|| Unusable::Address(environment_variable(&endpoint.url).unwrap_or_default().to_owned()))?;
    Ok(Deployment {
        id: id.into(),
        upstream_model: endpoint.model.as_deref().map_or_else(|| context.model.name.clone(), resolve).into(),
        weight: endpoint.weight,
        credential: endpoint.credential.as_deref().map(|text| presented(context, text)).transpose()?,
        // A probe of somebody else's service may be billed.
        health_path: None,
        rpm: endpoint.rpm,
        tpm: endpoint.tpm,
        order: 0,
        max_input_tokens: endpoint.max_input_tokens,
        cost: None,
        timeouts: Timeouts::default(),
        replicas: vec![Replica { id: format!("{id}/0").into(), address, base_path }],
    })
}

/// What an endpoint's `credential` leads to.
fn presented(context: &Context<'_>, text: &str) -> Result<Secret, Unresolved> {
    if environment_variable(text).is_some() {
        return Ok(Secret::new(resolve(context.env, text)));
    }
    credentials::resolve(context.credentials, text, context.env)
}

fn compile_engine(context: &Context<'_>, id: &str, engine: &Engine) -> Option<Deployment> {
    let replicas: Vec<_> = (0..engine.replicas)
        .flat_map(|number| places(&format!("{id}/{number}")))
        .filter_map(|id| {
            let address = context.ready.get(&id)?.clone();
            Some(Replica { id: id.into(), address, base_path: "/v1".to_owned() })
        })
        .collect();
    (!replicas.is_empty()).then(|| Deployment {
        id: id.into(),
        upstream_model: context.model.name.as_str().into(),
        weight: 1,
        credential: None,
        health_path: Some(defaults(context.model.model_type).health_path.to_owned()),
        rpm: None,
        tpm: None,
        order: 0,
        max_input_tokens: engine.max_model_len,
        cost: None,
        timeouts: Timeouts::default(),
        replicas,
    })
}

fn resolve(env: &Environment, text: &str) -> String {
    match environment_variable(text) {
        Some(name) => env.get(name).unwrap_or_default(),
        None => text.to_owned(),
    }
}

/// Where an address leads, and the path in front of the surface without a slash at its end.
fn address(text: &str) -> Option<(Address, String)> {
    let url = Url::parse(text.trim()).ok()?;
    let place = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
    let address = match url.scheme() {
        "http" => Address::Http(place),
        "https" => Address::Https(place),
        _ => return None,
    };
    Some((address, url.path().trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_and_no_slash_at_the_end() {
        let http = |place: &str| Address::Http(place.to_owned());
        assert_eq!(address("http://127.0.0.1:8000/v1/"), Some((http("127.0.0.1:8000"), "/v1".into())));
        assert_eq!(address("http://[::1]:8000"), Some((http("[::1]:8000"), String::new())));
        let https = Address::Https("api.openai.com:443".into());
        assert_eq!(address("HTTPS://api.openai.com/v1\n"), Some((https, "/v1".into())));
        assert_eq!(address("ftp://x/v1"), None);
        assert_eq!(address("x"), None);
    }
}
