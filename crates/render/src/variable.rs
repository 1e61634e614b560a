use spec::{Document, environment_variable};

/// Variable with a direct-route key of Enginehouse, with which LiteLLM reaches the engines.
pub(crate) const DIRECT_KEY: &str = "ENGINEHOUSE_API_KEY";
/// Variable with LiteLLM's own master key.
pub(crate) const LITELLM_MASTER_KEY: &str = "LITELLM_MASTER_KEY";
/// What stands in front of the name of a credential.
const CREDENTIAL: &str = "ENGINEHOUSE_CREDENTIAL_";

/// `os.environ/NAME`, as LiteLLM and Enginehouse write it.
pub(crate) fn reference(name: &str) -> String {
    format!("os.environ/{name}")
}

/// The variable that another program reads a sealed credential from. Names of credentials have lower-case letters, digits
/// and `-`, so two never share one.
pub(crate) fn of_credential(name: &str) -> String {
    format!("{CREDENTIAL}{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The variable with what an endpoint wants presented: the one that the document names, be it by way of a credential,
/// or else one that is named after the credential.
pub(crate) fn of_endpoint(document: &Document, credential: &str) -> String {
    let named = document.credentials.iter().find(|known| known.name == credential);
    let variable = environment_variable(credential).or_else(|| named?.secret.variable());
    variable.map_or_else(|| of_credential(credential), str::to_owned)
}
