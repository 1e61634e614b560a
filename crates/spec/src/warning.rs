use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Document;

/// Something that is allowed and yet has not the effect that one may expect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Where, as `models[1].open_access`.
    pub path: String,
    /// What to expect instead. Never holds a secret.
    pub message: String,
}

// === impl Warning ===

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// All warnings about a document, in its order.
pub fn warnings(document: &Document) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |path: String, message: String| warnings.push(Warning { path, message });
    for (m, model) in document.models.iter().enumerate() {
        if model.deployments.is_empty() {
            let message = "is empty: the model is known to clients and answers 503 until a deployment is added";
            warn(format!("models[{m}].deployments"), message.to_owned());
        }
        for (d, deployment) in model.deployments.iter().enumerate() {
            let Some(endpoint) = &deployment.endpoint else { continue };
            if let Some(tpm) = endpoint.tpm {
                let message = format!("tpm is {tpm}, which this version does not enforce yet; rpm it does");
                warn(format!("models[{m}].deployments[{d}].endpoint.tpm"), message);
            }
        }
        if model.open_access {
            let message = "is true, but this version does not serve `/open/` yet: the model still needs a key";
            warn(format!("models[{m}].open_access"), message.to_owned());
        }
    }
    warnings
}
