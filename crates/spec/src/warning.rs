use std::fmt;

use serde::{Deserialize, Serialize};

use crate::container::added_words;
use crate::{Defaults, Document, Endpoint, Engine, Model, ModelType, Spread, gpus_each, limits};

/// Something that is allowed and yet has not the effect that one may expect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Where, as `models[1].open_access`.
    pub path: String,
    /// What to expect instead. Never holds a secret.
    pub message: String,
}

// === impl Warning ===

impl Warning {
    fn new(path: String, message: impl Into<String>) -> Self {
        Self { path, message: message.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// All warnings about a document, in its order, up to [`limits::REPORTED`].
pub fn warnings(document: &Document) -> Vec<Warning> {
    let models = document.models.iter().enumerate();
    models
        .flat_map(|(index, model)| of_model(&format!("models[{index}]"), model, &document.defaults))
        .take(limits::REPORTED)
        .collect()
}

fn of_model(path: &str, model: &Model, common: &Defaults) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if model.deployments.is_empty() {
        let message = "deployments is empty: the model is known, and answers 503 until it gets one";
        warnings.push(Warning::new(format!("{path}.deployments"), message));
    }
    for (index, deployment) in model.deployments.iter().enumerate() {
        let here = format!("{path}.deployments[{index}]");
        let path = format!("{here}.endpoint");
        warnings.extend(deployment.endpoint.iter().flat_map(|endpoint| of_endpoint(&path, endpoint)));
        if deployment.engine.as_ref().is_some_and(trusts) {
            let path = format!("{here}.engine.trust_remote_code");
            let message = "trust_remote_code is true: code that comes with the model runs on this machine; \
                           pin `revision` to a commit that was read";
            warnings.push(Warning::new(path, message));
        }
        let of_engine = |engine| idle_gpus(&format!("{here}.engine"), model.model_type, engine, common);
        warnings.extend(deployment.engine.as_ref().and_then(of_engine));
    }
    if model.open_access {
        let message = "open_access is true: whoever reaches the client port can use the model without a key";
        warnings.push(Warning::new(format!("{path}.open_access"), message));
    }
    warnings
}

/// By field or by argument.
fn trusts(engine: &Engine) -> bool {
    let asks = |word: &String| word.replace('_', "-").starts_with("--trust-remote-code");
    engine.trust_remote_code || engine.args.iter().chain(&engine.command).any(asks)
}

/// GPUs that vLLM is given and told to leave alone.
fn idle_gpus(path: &str, model_type: ModelType, engine: &Engine, common: &Defaults) -> Option<Warning> {
    let (size, gpus) = (engine.tensor_parallel_size?, gpus_each(engine)?);
    let spread = Spread::read(&added_words(model_type, engine, common));
    let is_idle = engine.command.is_empty() && u64::from(size) < spread.shared_by(gpus.into());
    is_idle.then(|| {
        let message =
            format!("tensor_parallel_size is {size}: of the {gpus} GPUs of each replica the others stay idle");
        Warning::new(format!("{path}.tensor_parallel_size"), message)
    })
}

fn of_endpoint(path: &str, endpoint: &Endpoint) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if endpoint.rpm == Some(0) {
        warnings.push(Warning::new(format!("{path}.rpm"), "rpm is 0: the endpoint takes no request at all"));
    }
    if endpoint.tpm == Some(0) {
        warnings.push(Warning::new(format!("{path}.tpm"), "tpm is 0: the endpoint takes no request at all"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, parse};

    #[test]
    fn gpus_that_stay_idle_are_named() {
        let shown = |engine: &str| {
            let text = format!(
                "version: 1\nmodels: [{{ name: a, type: chat, deployments: [{{ engine: {{ source: O/M, {engine} }} }}] }}]"
            );
            warnings(&parse(&text, Format::Yaml).unwrap()).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let expected = "models[0].deployments[0].engine.tensor_parallel_size: tensor_parallel_size is 1: \
                        of the 2 GPUs of each replica the others stay idle";
        assert_eq!(shown("gpus: [0, 1], tensor_parallel_size: 1"), [expected]);
        for fine in [
            "gpus: [0, 1], tensor_parallel_size: 2",
            "gpus: [0, 1], tensor_parallel_size: 1, args: [--pipeline-parallel-size, '2']",
            "gpus: [0, 1], tensor_parallel_size: 1, args: [-dp, '2']",
            "gpus: [0, 1], replicas: 2, tensor_parallel_size: 1",
        ] {
            assert_eq!(shown(fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn what_has_no_effect_is_named() {
        let text = "version: 1\nmodels:\n  - { name: a, type: chat }\n  - { name: b, type: chat, open_access: true, \
                    deployments: [{ endpoint: { url: 'http://h', rpm: 0, tpm: 0 } }] }";
        let shown: Vec<_> = warnings(&parse(text, Format::Yaml).unwrap()).iter().map(ToString::to_string).collect();
        let expected = [
            "models[0].deployments: deployments is empty: the model is known, and answers 503 until it gets one",
            "models[1].deployments[0].endpoint.rpm: rpm is 0: the endpoint takes no request at all",
            "models[1].deployments[0].endpoint.tpm: tpm is 0: the endpoint takes no request at all",
            "models[1].open_access: open_access is true: whoever reaches the client port can use the model without a key",
        ];
        assert_eq!(shown, expected);
        assert_eq!(warnings(&Document::default()), []);
        for engine in ["trust_remote_code: true", "args: [--trust_remote_code]"] {
            let text = format!(
                "version: 1\nmodels: [{{ name: a, type: chat, deployments: [{{ engine: {{ source: s, {engine} }} }}] }}]"
            );
            let [warning] = &warnings(&parse(&text, Format::Yaml).unwrap())[..] else { panic!("one warning") };
            assert!(
                warning.to_string().contains("engine.trust_remote_code: trust_remote_code is true: code"),
                "{warning}"
            );
        }
    }
}
