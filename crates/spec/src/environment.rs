use crate::{Deployment, Endpoint, Engine};

/// What stands in front of the name of a variable.
const PREFIX: &str = "os.environ/";

/// The variable that a string refers to: `NAME` of `os.environ/NAME`; none if the string stands for itself.
///
/// The name may be malformed ([`validate`](crate::validate) reports that).
///
/// ```
/// assert_eq!(spec::environment_variable("os.environ/OPENAI_API_KEY"), Some("OPENAI_API_KEY"));
/// assert_eq!(spec::environment_variable("tiny"), None);
/// ```
pub fn environment_variable(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX)
}

/// Whether a name can be that of an environment variable: letters, digits and `_`, no digit in front.
pub(crate) fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The variables that a deployment refers to, each once, in the order of its fields.
///
/// A deployment with one that is unset is not used.
pub fn environment_variables(deployment: &Deployment) -> Vec<&str> {
    let mut names = Vec::new();
    for text in strings(deployment) {
        if let Some(name) = environment_variable(text)
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

fn strings(deployment: &Deployment) -> impl Iterator<Item = &str> {
    let endpoint = deployment.endpoint.iter().flat_map(endpoint_strings);
    let engine = deployment.engine.iter().flat_map(engine_strings);
    endpoint.chain(engine)
}

fn endpoint_strings(endpoint: &Endpoint) -> impl Iterator<Item = &str> {
    let Endpoint { provider: _, url, model, credential, weight: _, rpm: _, tpm: _, max_input_tokens: _ } = endpoint;
    [Some(url), model.as_ref(), credential.as_ref()].into_iter().flatten().map(String::as_str)
}

fn engine_strings(engine: &Engine) -> impl Iterator<Item = &str> {
    let scalars = [Some(&engine.source), engine.revision.as_ref()].into_iter().flatten();
    scalars.chain(engine.env.values()).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, parse};

    #[test]
    fn names_every_variable_once() {
        let text = "version: 1\nmodels:\n  - { name: a, type: chat, deployments: [
            { endpoint: { url: os.environ/A, model: os.environ/B, credential: os.environ/A } },
            { engine: { source: os.environ/C, revision: os.environ/D, command: [x, os.environ/H], args: [os.environ/I], env: { X: os.environ/E, Y: plain } } }] }";
        let document = parse(text, Format::Yaml).unwrap();
        let names = |index: usize| environment_variables(&document.models[0].deployments[index]).join("");
        assert_eq!([names(0), names(1)], ["AB", "CDE"]);
    }

    #[test]
    fn variable_names() {
        assert!(["A", "_", "a1", "OPENAI_API_KEY"].into_iter().all(is_variable_name));
        assert!(!["", "1A", "A-B", "A B", "é", "A=B"].into_iter().any(is_variable_name));
    }
}
